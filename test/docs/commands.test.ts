import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { agentConfigSpec } from '../../agent/config/agent-config.ts';
import { controllerConfigSpec } from '../../controller/config.ts';
import { leavesOf } from '../../runtime/config-leaves.ts';
import { commandsOf, documentPages, type ShownCommand } from '../support/markdown.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');
const folders: Record<string, string> = {
  logfleet: 'cli',
  'logfleet-agent': 'agent',
  'logfleet-controller': 'controller',
};

const pages = documentPages().filter(({ path }) => path !== 'docs/cli.md');

test('every command line that the documents show has a command and flags that exist', async () => {
  const shown = pages.flatMap((page) => commandsOf(page, Object.keys(folders)));
  assert.ok(shown.length > 40, `${shown.length} command lines`);
  const wrong: string[] = [];
  for (const command of shown) {
    const problem = await problemOf(command);
    if (problem !== undefined) wrong.push(`${command.page}: ${command.text}: ${problem}`);
  }
  assert.deepEqual(wrong, []);
});

test('every setting that the documents name exists', () => {
  const keys = [agentConfigSpec, controllerConfigSpec].flatMap(({ schema }) => leavesOf(schema).map(({ key }) => key));
  const groups = new Set(keys.filter((key) => key.includes('.')).map((key) => key.split('.')[0]));
  const named = pages.flatMap(({ path, lines }) =>
    [...lines.join('\n').matchAll(/`([a-z_]+(?:\.[a-z_]+)+)`/g)].map((match) => ({ path, key: match[1] as string })),
  );
  const settings = named.filter(({ key }) => groups.has(key.split('.')[0]) && !/\.(md|ts|log|json|yaml)$/.test(key));
  assert.ok(settings.length > 20, `${settings.length} settings`);
  // `log.file.path` and `host.name` are headers of a record.
  const missing = settings.filter(({ key }) => key !== 'log.file.path' && !keys.some((known) => isWithin(known, key)));
  assert.deepEqual(missing, []);
});

/** `kafka.tls` names a group of settings. */
function isWithin(known: string, key: string): boolean {
  return known === key || known.startsWith(`${key}.`);
}

async function problemOf({ program, words, flags }: ShownCommand): Promise<string | undefined> {
  const own = program === 'logfleet' ? await commandHelp(words) : await helpOf(program, []);
  if (own === undefined) return `there is no command ${words[0]}`;
  const help = program === 'logfleet' ? own + (await helpOf(program, [])) : own;
  const unknown = flags.filter((flag) => !new RegExp(`(^|[\\s,])${flag}(?![\\w.-])`, 'm').test(help));
  return unknown.length > 0 ? `there is no ${unknown.join(', ')}` : undefined;
}

/** The help of the innermost command that `words` name, with that of the commands around it. */
async function commandHelp(words: readonly string[]): Promise<string | undefined> {
  const [first, second] = words;
  if (first === undefined) return '';
  if (!new RegExp(`^  ${first}\\b`, 'm').test(await helpOf('logfleet', []))) return undefined;
  const help = await helpOf('logfleet', [first]);
  if (second === undefined || !/^Commands:$/m.test(help)) return help;
  return help + (await helpOf('logfleet', [first, second]));
}

const helps = new Map<string, Promise<string>>();

function helpOf(program: string, words: readonly string[]): Promise<string> {
  const key = [program, ...words].join(' ');
  const main = join(root, folders[program] as string, 'main.ts');
  const help = helps.get(key) ?? run(process.execPath, [main, ...words, '--help']).then(({ stdout }) => stdout);
  helps.set(key, help);
  return help;
}
