import { type Command, InvalidArgumentError, Option } from 'commander';
import { pauseRollout, rolloutStatus, undoRollout } from './commands/rollout.ts';
import type { ControllerApi } from './rpc/client.ts';

const APPLY_WAIT_MS = 300_000;

const HELP = `
A rollout begins with logfleet apply --rollout STEPS. Each step takes the entry to more agents: a number of them, a part of them, those that a
selector matches, or all. The next one begins when all connected agents of the step have applied it, and all has been well for --step-wait.

Examples:
  logfleet apply -f entry.yaml --rollout 1,10%,all --step-wait 30s --on-failure undo
  logfleet rollout status nginx-access               waits until it is done
  logfleet rollout pause nginx-access
  logfleet rollout resume nginx-access               also after it has halted: accepts what has failed
  logfleet rollout undo nginx-access --reason "too many lines"
  logfleet get rollouts
`;

const STATUS_HELP = `
Of an entry that is not rolled out in steps it tells how many agents have applied its present version.
Exit code 0: all have; 1: it has halted, was undone, or agents have failed; or --timeout has passed (default: never).

Examples:
  logfleet rollout status nginx-access --timeout 10m
  logfleet rollout status nginx-access --no-watch    how it is now
`;

/** `logfleet rollout status|pause|resume|undo` */
export function addRollout(
  program: Command,
  write: (text: string) => void,
  withApi: (body: (api: ControllerApi) => Promise<void>) => Promise<void>,
): void {
  const rollout = program
    .command('rollout')
    .description('follow and steer entries that go out in steps')
    .addHelpText('after', HELP);
  rollout
    .command('status <entry...>')
    .description('tell how an entry is going out, until all agents have it')
    .option('-w, --watch', 'wait until it is done', true)
    .option('--no-watch', 'tell how it is now')
    .addHelpText('after', STATUS_HELP)
    .action((words: string[], { watch }: { watch: boolean }) =>
      withApi((api) => rolloutStatus(api, words, { watch, timeoutMs: givenTimeoutMs(program) ?? Infinity }, write)),
    );
  rollout
    .command('pause <entry...>')
    .description('let a rollout stay as it is: who has the new version keeps it')
    .addHelpText('after', '\nExamples:\n  logfleet rollout pause nginx-access')
    .action((words: string[]) => withApi((api) => pauseRollout(api, words, true, write)));
  rollout
    .command('resume <entry...>')
    .description('let a rollout go on that is paused, or has halted: then what has failed is accepted')
    .addHelpText('after', '\nExamples:\n  logfleet rollout resume nginx-access')
    .action((words: string[]) => withApi((api) => pauseRollout(api, words, false, write)));
  rollout
    .command('undo <entry...>')
    .description('give everybody the former version again; an entry that was new is deleted')
    .option('--reason <text>', 'why, for the history')
    .addHelpText('after', '\nExamples:\n  logfleet rollout undo nginx-access --reason "too many lines"')
    .action((words: string[], options: { reason?: string }) =>
      withApi((api) => undoRollout(api, words, options, write)),
    );
}

/** The flags of `apply` that say how it goes out, and whether to wait. */
export function addRolloutOptions(command: Command): Command {
  return command
    .option('--wait', 'until every connected agent has applied it; --timeout says for how long (default: 5m)')
    .option('--rollout <steps...>', 'in steps: 1,10%,all or env=canary,10%; all is added at the end')
    .addOption(new Option('--step-wait <duration>', 'all must be well for so long in each step').argParser(parseTime))
    .addOption(new Option('--on-failure <what>', 'what a failure does').choices(['halt', 'undo']))
    .addOption(new Option('--max-failed <count>', 'so many agents may fail (default: 0)').argParser(parseCount))
    .addOption(new Option('--max-lost <size>', 'so much may be lost, such as 1MiB (default: 0)').argParser(parseSize))
    .addOption(
      new Option('--max-lag <size>', 'an agent may lag by so much (default: not looked at)').argParser(parseSize),
    )
    .addOption(
      new Option('--progress-deadline <duration>', 'by then agents must have applied it (default: 10m)').argParser(
        parseTime,
      ),
    );
}

/** For how long `apply --wait` waits. */
export function waitMsOf(program: Command): number {
  return givenTimeoutMs(program) ?? APPLY_WAIT_MS;
}

/** What --timeout says, where it is given: its default is for one answer. */
function givenTimeoutMs(program: Command): number | undefined {
  const isGiven = program.getOptionValueSource('timeout') !== 'default';
  return isGiven ? program.opts<{ timeout: number }>().timeout : undefined;
}

function parseTime(text: string): number {
  return amount(text, { '': 1_000, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }, 'a duration such as 30s');
}

function parseSize(text: string): number {
  return amount(text, { '': 1, B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }, 'a size such as 64MiB');
}

function amount(text: string, units: Readonly<Record<string, number>>, expected: string): number {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)([a-zA-Z]*)$/.exec(text) ?? [];
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  if (digits === undefined || factor === undefined) throw new InvalidArgumentError(`give ${expected}.`);
  return Math.round(Number(digits) * factor);
}

function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('give a number.');
  return Number(text);
}
