import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { CliError, exitCodes } from './cli-error.ts';
import { diagnostics } from './commands/diagnostics.ts';
import { logLevel } from './commands/log-level.ts';
import { preview } from './commands/preview.ts';
import { restart } from './commands/restart.ts';
import { tap } from './commands/tap.ts';
import type { ControllerApi } from './rpc/client.ts';
import { checkedSelector } from './selector-option.ts';
import { parseTargets } from './target.ts';

/** What timers and int32 fields take. */
const DURATION_MAX_MS = 2 ** 31 - 1;
const WATCH_MAX_MS = 30_000;

type Write = (text: string) => void;
type WithApi = (body: (api: ControllerApi) => Promise<void>) => Promise<void>;

const TAP_HELP = `
Standard output holds the lines and nothing else; what was left out or dropped, and which agents do not answer, is told on standard error.
Delivery does not wait for a tap. Agents that connect after it began are not in it; it ends after an hour.

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
  const selector = () =>
    new Option('-l, --selector <selector>', 'only agents whose labels match')
      .argParser(checkedSelector)
      .default('', 'all');
  const output = () => new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table');
  program
    .command('tap <kind> [name...]')
    .description('show lines that an entry is collecting right now')
    .addOption(selector())
    .addOption(
      new Option('--rate <lines>', 'at most so many lines a second from each agent, up to 1000')
        .argParser(countWithin(1, 1_000))
        .default(20),
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
      new Option('--watch <duration>', 'how long to watch the files grow, up to 30s')
        .argParser(parseWatch)
        .default(1_000, '1s'),
    )
    .addOption(
      new Option('--lines <count>', 'so many first and last lines of each file, up to 20')
        .argParser(countWithin(0, 20))
        .default(3),
    )
    .addOption(
      new Option('--files <count>', 'so many files of each agent one by one, up to 1000')
        .argParser(countWithin(1, 1_000))
        .default(50),
    )
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
    .command('loglevel <kind> <name>')
    .addArgument(new Argument('[level]', 'how much').choices(['debug', 'info', 'warn', 'error']))
    .description('set how much an agent logs: debug, info, warn or error')
    .addOption(new Option('--for <duration>', 'back to what is configured after this long').argParser(parseDuration))
    .addHelpText('after', '\nExamples:\n  logfleet loglevel agent web-17 debug --for 10m')
    .action((kind: string, second: string, third: string | undefined, options: { for?: number }) => {
      // Of `agent/web-17 debug` the second word is the level.
      const [words, level] = third === undefined ? [[kind], second] : [[kind, second], third];
      const asked = { level, forMs: options.for ?? 0, timeoutMs: timeoutMs() };
      return withApi((api) => logLevel(api, one('agent', words), asked, write));
    });
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
  const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[(match?.[2] ?? 's') as 'ms' | 's' | 'm' | 'h'];
  const ms = Math.round(Number(match?.[1]) * unitMs);
  if (ms >= 1 && ms <= DURATION_MAX_MS) return ms;
  throw new InvalidArgumentError('give a duration such as 10s, from 1ms to 596h.');
}

function parseWatch(text: string): number {
  const ms = parseDuration(text);
  if (ms > WATCH_MAX_MS) throw new InvalidArgumentError('give at most 30s.');
  return ms;
}

/** Reads a number that the controller takes: it would cut a larger one, and not say so. */
function countWithin(min: number, max: number): (text: string) => number {
  return (text) => {
    const count = /^\d{1,6}$/.test(text) ? Number(text) : -1;
    if (count < min || count > max) throw new InvalidArgumentError(`give a number from ${min} to ${max}.`);
    return count;
  };
}

/** The one name that the command is about. */
export function one(kind: 'entry' | 'agent', words: readonly string[]): string {
  const { kind: given, names } = parseTargets(words);
  const [name, ...more] = names;
  if (given === kind && name !== undefined && more.length === 0) return name;
  throw new CliError(exitCodes.usage, `name one ${kind}: ${kind} NAME`);
}
