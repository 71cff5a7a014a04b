import { Command } from 'commander';
import { entryName, shortEntryName } from '../../proto/rules/names.ts';
import { forEachName } from '../kinds/for-each-name.ts';
import { parseTarget } from '../kinds/target.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { changeSettings, refuseAllowMissing, type SettingsOptions } from '../rpc/settings.ts';
import { allowMissingOption, KindArgument, namesArgument, reasonOption } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { type CommandHelp, withHelp } from './command-help.ts';

const KINDS = ['entry', 'agent'] as const;

interface PauseOptions extends SettingsOptions {
  agent?: string;
}

/** The state to set, and why. */
interface Change extends SettingsOptions {
  paused: boolean;
}

type Write = (text: string) => void;

/** `logfleet pause entry|agent NAME…` */
export function pauseCommand(context: CommandContext): Command {
  return switchCommand(context, 'pause', {
    summary: 'stop reading the files of an entry or of an agent',
    details: [
      'Positions are kept and nothing is lost; deleted files stay open. The pause survives restarts and lasts until logfleet resume.',
    ],
    examples: [
      ['Pause an entry on all agents', 'logfleet pause entry nginx-access'],
      ['Pause an entry on one agent', 'logfleet pause entry nginx-access --agent web-17'],
      ['Pause everything on an agent', 'logfleet pause agent web-17 --reason "disk is slow"'],
    ],
  });
}

/** `logfleet resume entry|agent NAME…` */
export function resumeCommand(context: CommandContext): Command {
  return switchCommand(context, 'resume', {
    summary: 'continue reading where a pause or a drain has stopped it',
    examples: [
      ['Resume an entry', 'logfleet resume entry nginx-access'],
      ['Resume an entry on one agent', 'logfleet resume entry nginx-access --agent web-17'],
      ['Resume an agent that was paused or drained', 'logfleet resume agent web-17'],
    ],
  });
}

function switchCommand({ withApi, write }: CommandContext, name: 'pause' | 'resume', help: CommandHelp): Command {
  const command = new Command(name)
    .addArgument(new KindArgument('<kind>', KINDS))
    .addArgument(namesArgument())
    .option('--agent <id>', 'entries: only on this agent')
    .addOption(reasonOption())
    .addOption(allowMissingOption())
    .action((kind: string, names: string[], { agent, ...options }: PauseOptions) =>
      withApi((api) => setPaused(api, [kind, ...names], agent, { paused: name === 'pause', ...options }, write)),
    );
  return withHelp(command, help);
}

async function setPaused(
  api: ControllerApi,
  words: readonly string[],
  agent: string | undefined,
  change: Change,
  write: Write,
): Promise<void> {
  const { kind, names } = parseTarget(words, KINDS);
  if (names.length === 0 || (kind === 'agent' && agent !== undefined))
    throw new CliError(exitCodes.usage, 'name agents, or name entries and optionally --agent');
  if (kind === 'entry' && agent === undefined) refuseAllowMissing(change);
  if (kind === 'agent') await forEachName(names, (name) => setAgentPaused(api, name, change, write));
  else if (agent === undefined) await forEachName(names, (name) => setEntryPaused(api, name, change, write));
  else {
    await setEntriesPausedOn(api, agent, names.map(entryName), change);
    for (const name of names) write(`entry/${name} ${outcomeOf(change)} on ${agent}\n`);
  }
}

async function setEntryPaused(api: ControllerApi, name: string, change: Change, write: Write): Promise<void> {
  const { paused, reason: changeReason = '' } = change;
  const request = { entry: { name: entryName(name), paused }, updateMask: ['paused'], changeReason };
  await api.call((options) => api.entries.updateEntry(request, options));
  write(`entry/${name} ${outcomeOf(change)}\n`);
}

async function setEntriesPausedOn(
  api: ControllerApi,
  agent: string,
  names: readonly string[],
  { paused, ...options }: Change,
): Promise<void> {
  const change = ({ pausedEntries }: { pausedEntries: string[] }) => ({
    pausedEntries: paused ? [...pausedEntries, ...names] : pausedEntries.filter((name) => !names.includes(name)),
  });
  await changeSettings(api, agent, change, options);
}

/** Resuming an agent also ends its drain. */
async function setAgentPaused(api: ControllerApi, agent: string, change: Change, write: Write): Promise<void> {
  const { paused, ...options } = change;
  const fields = paused ? { paused } : { paused, draining: false };
  const { pausedEntries } = await changeSettings(api, agent, () => fields, options);
  write(`agent/${agent} ${outcomeOf(change)}\n`);
  if (paused || pausedEntries.length === 0) return;
  const names = pausedEntries.map(shortEntryName).join(' ');
  process.stderr.write(`entries are still paused on it; see logfleet resume entry ${names} --agent ${agent}\n`);
}

function outcomeOf({ paused }: Change): string {
  return paused ? 'paused' : 'resumed';
}
