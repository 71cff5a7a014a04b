// A client of logfleet's API, made from the .proto files alone. README.md beside this file says how
// to run it.

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ServiceError } from '@grpc/grpc-js';
import { remedyOf } from './errors.ts';
import { createClients, type Message } from './proto-client.ts';

const HELP = `Usage: main.ts [--controller HOST:PORT] COMMAND

Commands:
  list                                  print the entries
  create NAME --path GLOB --topic TOPIC create an entry: which files go to which topic
  watch NAME [--agents N]               print each agent's acknowledgement of the entry's
                                        current version; with N, end when N agents have applied it

Options:
  --controller HOST:PORT  a controller (default: LOGFLEET_CONTROLLER, or 127.0.0.1:7070)
  --proto FOLDER          the folder of logfleet's .proto files (default: this repository's)
  --path GLOB             may be given several times
  -h, --help
`;

const { values: options, positionals } = parseOptions();
const [command, name = ''] = positionals;
const { entries, fleet, close } = createClients(options.proto, options.controller);

async function list(): Promise<void> {
  for (let pageToken = ''; ; ) {
    const page = await entries.call('ListEntries', { page_token: pageToken });
    for (const entry of page['entries'] as Message[])
      print(`${shortName(entry['name'])} ${entry['topic']} ${(entry['paths'] as string[]).join(',')}`);
    pageToken = page['next_page_token'] as string;
    if (pageToken === '') return;
  }
}

async function create(): Promise<void> {
  const entry = { name: `entries/${name}`, paths: options.path, topic: options.topic };
  const created = await entries.call('CreateEntry', { entry, change_reason: 'the API example' });
  print(`created ${name} etag=${created['etag']}`);
}

/**
 * An agent has acknowledged an entry's version when it reports the version's etag with the state
 * APPLIED. The stream begins with the agents as they are and continues with each change.
 */
async function watch(): Promise<void> {
  const { etag } = await entries.call('GetEntry', { name: `entries/${name}` });
  const printed = new Map<string, string>();
  const applied = new Set<string>();
  for await (const { kind, agent } of fleet.stream('WatchAgents', { entry: `entries/${name}` })) {
    if (kind === 'KIND_SYNCED') continue;
    const { name: id, entries: statuses } = agent as { name: string; entries: Message[] };
    const status = statuses.find(({ entry }) => entry === `entries/${name}`);
    const isCurrent = status?.['etag'] === etag;
    const state = isCurrent ? stateOf(status as Message) : 'has not acknowledged it yet';
    if (printed.get(id) !== state) print(`${id.replace('agents/', '')}: ${state}`);
    printed.set(id, state);
    if (isCurrent && status?.['state'] === 'STATE_APPLIED') applied.add(id);
    else applied.delete(id);
    if (Number(options.agents) > 0 && applied.size >= Number(options.agents)) return;
  }
}

function parseOptions() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        controller: { type: 'string', default: process.env['LOGFLEET_CONTROLLER'] ?? '127.0.0.1:7070' },
        proto: { type: 'string', default: join(import.meta.dirname, '..', '..', 'proto') },
        path: { type: 'string', multiple: true, default: [] },
        topic: { type: 'string', default: '' },
        agents: { type: 'string', default: '0' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    process.stderr.write(`error: ${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
}

function stateOf({ state, error, files }: Message): string {
  if (state === 'STATE_FAILED') return `failed: ${error}`;
  if (state === 'STATE_APPLIED') return `applied, ${files} files`;
  return String(state).replace('STATE_', '').toLowerCase();
}

function shortName(entry: unknown): string {
  return String(entry).replace('entries/', '');
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const commands: Record<string, () => Promise<void>> = { list, create, watch };
const run = commands[command ?? ''];
if (options.help || !run || (command !== 'list' && name === '')) {
  (options.help ? process.stdout : process.stderr).write(HELP);
  process.exitCode = options.help ? 0 : 2;
} else {
  await run().catch((error: ServiceError) => {
    process.stderr.write(`error: ${remedyOf(error, options.controller)}\n`);
    process.exitCode = 1;
  });
}
close();
