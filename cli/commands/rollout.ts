import { Argument, Command } from 'commander';
import { entryName } from '../../proto/rules/names.ts';
import { parseOneTarget } from '../kinds/target.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import { outcomeOf, printRemarks, progressLine, waitFor } from '../rollouts/wait.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { reasonOption } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

type Write = (text: string) => void;

/** `logfleet rollout status|pause|resume|undo ENTRY` */
export function rolloutCommand(context: CommandContext): Command {
  const command = new Command('rollout');
  for (const build of [statusCommand, pauseCommand, resumeCommand, undoCommand]) command.addCommand(build(context));
  return withHelp(command, {
    summary: 'follow and control changes that are applied in steps',
    details: [
      'logfleet apply --rollout starts a rollout. Each step extends the change to more agents: a number of them, a percentage, those that a selector matches, or all. The next step starts when all connected agents of a step have applied the change and stayed healthy for --step-wait.',
    ],
    examples: [
      ['Start a rollout', 'logfleet apply -f entry.yaml --rollout 1,10%,all --step-wait 30s'],
      ['Wait until it is complete', 'logfleet rollout status nginx-access'],
      ['List the rollouts', 'logfleet get rollouts'],
    ],
  });
}

function statusCommand({ withApi, write, givenTimeoutMs }: CommandContext): Command {
  const command = new Command('status')
    .addArgument(entryArgument())
    .option('-w, --watch', 'wait until the rollout is complete, for --timeout (default: no limit)', true)
    .option('--no-watch', 'show the present state')
    .action((words: string[], { watch }: { watch: boolean }) => {
      const timeoutMs = givenTimeoutMs() ?? Number.POSITIVE_INFINITY;
      return withApi((api) => (watch ? followStatus(api, words, timeoutMs, write) : showStatus(api, words, write)));
    });
  return withHelp(command, {
    summary: 'show the progress of a rollout until it is complete',
    details: ['For an entry without a rollout it shows how many agents have applied its present version.'],
    examples: [
      ['Wait for at most ten minutes', 'logfleet rollout status nginx-access --timeout 10m'],
      ['Show the present state', 'logfleet rollout status nginx-access --no-watch'],
    ],
    exitCodes: [
      [0, 'all agents have applied the change'],
      [1, 'the rollout has halted or was undone, agents have failed, or --timeout has passed'],
    ],
  });
}

function pauseCommand({ withApi, write }: CommandContext): Command {
  const command = new Command('pause')
    .addArgument(entryArgument())
    .action((words: string[]) => withApi((api) => setPaused(api, words, true, write)));
  return withHelp(command, {
    summary: 'stop a rollout at its present step',
    details: ['Agents that have applied the change keep it.'],
    examples: [['Pause a rollout', 'logfleet rollout pause nginx-access']],
  });
}

function resumeCommand({ withApi, write }: CommandContext): Command {
  const command = new Command('resume')
    .addArgument(entryArgument())
    .action((words: string[]) => withApi((api) => setPaused(api, words, false, write)));
  return withHelp(command, {
    summary: 'continue a rollout that is paused or has halted',
    details: ['Resuming a halted rollout accepts the failures that halted it.'],
    examples: [['Resume a rollout', 'logfleet rollout resume nginx-access']],
  });
}

function undoCommand({ withApi, write }: CommandContext): Command {
  const command = new Command('undo')
    .addArgument(entryArgument())
    .addOption(reasonOption())
    .action((words: string[], options: { reason?: string }) => withApi((api) => undo(api, words, options, write)));
  return withHelp(command, {
    summary: 'restore the previous version on all agents',
    details: ['An entry that the rollout has created is deleted.'],
    examples: [['Undo a rollout', 'logfleet rollout undo nginx-access --reason "too many lines"']],
  });
}

function entryArgument(): Argument {
  return new Argument('<entry...>', 'the name of an entry');
}

async function followStatus(api: ControllerApi, words: string[], timeoutMs: number, write: Write): Promise<void> {
  await waitFor(api, { name: entryName(entryIn(words)), etag: '' }, timeoutMs, write);
}

async function showStatus(api: ControllerApi, words: string[], write: Write): Promise<void> {
  const request = { name: entryName(entryIn(words)) };
  const status = await api.call((options) => api.rollouts.getRollout(request, options));
  const outcome = outcomeOf(status, status.etag);
  printRemarks(status);
  write(`${progressLine(status)}${outcome.kind === 'done' ? ', done' : ''}\n`);
  if (outcome.kind === 'failed') throw new CliError(exitCodes.refused, outcome.text);
}

async function setPaused(api: ControllerApi, words: string[], paused: boolean, write: Write): Promise<void> {
  const id = entryIn(words);
  const request = { name: entryName(id) };
  if (paused) await api.call((options) => api.rollouts.pauseRollout(request, options));
  else await api.call((options) => api.rollouts.resumeRollout(request, options));
  write(`entry/${id} ${paused ? 'paused' : 'resumed'}\n`);
}

async function undo(
  api: ControllerApi,
  words: string[],
  { reason: changeReason = '' }: { reason?: string },
  write: Write,
): Promise<void> {
  const id = entryIn(words);
  const request = { name: entryName(id), changeReason };
  const { revision, deleted } = await api.call((options) => api.rollouts.undoRollout(request, options));
  write(
    `entry/${id} ${deleted ? 'deleted: the rollout had created it' : `rolled back, its revision is ${revision}`}\n`,
  );
}

/** Reads `app`, `entry/app` or `entry app`. */
function entryIn(words: readonly string[]): string {
  const [first = ''] = words;
  if (words.length === 1 && first !== '' && !first.includes('/')) return first;
  return parseOneTarget(words, ['entry']).name;
}
