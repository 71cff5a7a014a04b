import { entryName } from '../../proto/rules/names.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { changeSettings } from '../rpc/settings.ts';
import { forEachName, parseTargets } from '../target.ts';

export interface PauseOptions {
  /** Only on this agent. */
  agent?: string;
  reason?: string;
}

type Write = (text: string) => void;

/** `logfleet pause|resume entry|agent NAME…` */
export async function pause(
  api: ControllerApi,
  words: readonly string[],
  paused: boolean,
  { agent, reason = '' }: PauseOptions,
  write: Write,
): Promise<void> {
  const { kind, names } = parseTargets(words);
  const isKnown = kind === 'entry' || kind === 'agent';
  if (!isKnown || names.length === 0 || (kind === 'agent' && agent !== undefined)) {
    throw new CliError(exitCodes.usage, 'name entries, with --agent only on one agent; or agents');
  }
  const done = paused ? 'paused' : 'resumed';
  if (kind === 'agent') await forEachName(names, (name) => pauseAgent(api, name, paused, reason, write));
  else if (agent !== undefined) {
    await pauseOn(api, { agent, entries: names.map(entryName), paused }, reason);
    for (const name of names) write(`entry/${name} ${done} on ${agent}\n`);
  } else
    await forEachName(names, async (name) => {
      const request = { entry: { name: entryName(name), paused }, updateMask: ['paused'], changeReason: reason };
      await api.call((options) => api.entries.updateEntry(request, options));
      write(`entry/${name} ${done}\n`);
    });
}

async function pauseOn(
  api: ControllerApi,
  { agent, entries, paused }: { agent: string; entries: readonly string[]; paused: boolean },
  reason: string,
): Promise<void> {
  const change = ({ pausedEntries }: { pausedEntries: string[] }) => ({
    pausedEntries: paused ? [...pausedEntries, ...entries] : pausedEntries.filter((name) => !entries.includes(name)),
  });
  await changeSettings(api, agent, change, reason);
}

/** A drain is over, too, when the agent goes on. */
async function pauseAgent(api: ControllerApi, agent: string, paused: boolean, reason: string, write: Write) {
  const change = () => (paused ? { paused } : { paused, draining: false });
  const { pausedEntries } = await changeSettings(api, agent, change, reason);
  write(`agent/${agent} ${paused ? 'paused' : 'resumed'}\n`);
  if (paused || pausedEntries.length === 0) return;
  const names = pausedEntries.map((name) => name.replace(/^entries\//, '')).join(' ');
  process.stderr.write(`still paused on it: see logfleet resume entry ${names} --agent ${agent}\n`);
}
