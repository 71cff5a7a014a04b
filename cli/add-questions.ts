import { type Command, InvalidArgumentError, Option } from 'commander';
import { CliError, exitCodes } from './cli-error.ts';
import { diagnostics } from './commands/diagnostics.ts';
import { logLevel } from './commands/log-level.ts';
import { preview } from './commands/preview.ts';
import { restart } from './commands/restart.ts';
import { tap } from './commands/tap.ts';
import type { ControllerApi } from './rpc/client.ts';
import { parseTargets } from './target.ts';

type Write = (text: string) => void;
type WithApi = (body: (api: ControllerApi) => Promise<void>) => Promise<void>;

const TAP_HELP = `
Standard output holds the lines and nothing else; what was left out or dropped, and which agents do not answer, is told on standard error.
Delivery does not wait for a tap.

Examples:
  logfleet tap entry nginx-access | grep ' 500 '
  logfleet tap entry nginx-access -l env=prod --rate 200 -o json
  logfleet tap entry nginx-access --no-prefix | head
`;

const PREVIEW_HELP = `
Nothing is written. An agent is asked when the entry's selector, and -l, match its labels. Lines are shown as they would be collected: converted,
joined by multiline, and only those that the entry's filter keeps.

Examples:
  logfleet preview -f entry.yaml
  logfleet preview -f entry.yaml -l agent=web-17 --watch 10s --lines 1
  cat entry.yaml | logfleet preview -f - -o json
`;

/** The commands that ask agents. `withApi` runs a command with a connection. */
export function addQuestions(program: Command, write: Write, withApi: WithApi): void {
  const timeoutMs = () => program.opts<{ timeout: number }>().timeout;
  const selector = () => new Option('-l, --selector <selector>', 'only agents whose labels match').default('');
  const output = () => new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table');
  program
    .command('tap <kind> [name...]')
    .description('show lines that an entry is collecting right now')
    .addOption(selector())
    .addOption(
      new Option('--rate <lines>', 'at most so many lines a second from each agent').argParser(parseRate).default(20),
    )
    .addOption(output())
    .option('--no-prefix', 'lines only, without agent and file')
    .addHelpText('after', TAP_HELP)
    .action((kind: string, names: string[], options) =>
      withApi((api) => tap(api, one('entry', [kind, ...names]), { ...options, timeoutMs: timeoutMs() })),
    );
  program
    .command('preview')
    .description('ask agents what an entry would collect, before it exists')
    .requiredOption('-f, --filename <file...>', 'YAML or JSON files, folders of them, or - for standard input')
    .addOption(selector())
    .addOption(
      new Option('--watch <duration>', 'how long to watch the files grow')
        .argParser(parseDuration)
        .default(1_000, '1s'),
    )
    .addOption(
      new Option('--lines <count>', 'so many first and last lines of each file').argParser(parseCount).default(3),
    )
    .addOption(new Option('--files <count>', 'so many files of each agent one by one').argParser(parseRate).default(50))
    .addOption(output())
    .addHelpText('after', PREVIEW_HELP)
    .action((options) => withApi((api) => preview(api, { ...options, timeoutMs: timeoutMs() }, write)));
  program
    .command('restart <kind> [name...]')
    .description('let agents stop an entry and start it anew; nothing is lost, and nothing comes twice')
    .addOption(selector())
    .addHelpText(
      'after',
      '\nExamples:\n  logfleet restart entry nginx-access\n  logfleet restart entry nginx-access -l agent=web-17',
    )
    .action((kind: string, names: string[], options: { selector: string }) =>
      withApi((api) => restart(api, one('entry', [kind, ...names]), { ...options, timeoutMs: timeoutMs() }, write)),
    );
  addAgentQuestions(program, write, withApi);
}

function addAgentQuestions(program: Command, write: Write, withApi: WithApi): void {
  const timeoutMs = () => program.opts<{ timeout: number }>().timeout;
  program
    .command('loglevel <kind> <name> <level>')
    .description('set how much an agent logs: debug, info, warn or error')
    .addOption(new Option('--for <duration>', 'back to what is configured after this long').argParser(parseDuration))
    .addHelpText('after', '\nExamples:\n  logfleet loglevel agent web-17 debug --for 10m')
    .action((kind: string, name: string, level: string, options: { for?: number }) =>
      withApi((api) =>
        logLevel(api, one('agent', [kind, name]), { level, forMs: options.for ?? 0, timeoutMs: timeoutMs() }, write),
      ),
    );
  program
    .command('diagnostics <kind> [name...]')
    .description('fetch a bundle that tells how an agent is doing inside: no secrets, no lines')
    .addHelpText('after', '\nExamples:\n  logfleet diagnostics agent web-17 > web-17.tar.gz')
    .action((kind: string, names: string[]) =>
      withApi((api) => diagnostics(api, one('agent', [kind, ...names]), timeoutMs())),
    );
}

/** `10s`, `250ms`, `5m`, `1h` → milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  if (!match) throw new InvalidArgumentError('give a duration such as 10s.');
  return Number(match[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[(match[2] ?? 's') as 'ms' | 's' | 'm' | 'h'];
}

function parseCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('give a number.');
  return Number(text);
}

function parseRate(text: string): number {
  const count = parseCount(text);
  if (count === 0) throw new InvalidArgumentError('give at least 1.');
  return count;
}

/** The one name that the command is about. */
export function one(kind: 'entry' | 'agent', words: readonly string[]): string {
  const { kind: given, names } = parseTargets(words);
  const [name, ...more] = names;
  if (given === kind && name !== undefined && more.length === 0) return name;
  throw new CliError(exitCodes.usage, `name one ${kind}: ${kind} NAME`);
}
