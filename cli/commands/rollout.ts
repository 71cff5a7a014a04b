import { entryName } from '../../proto/rules/names.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { outcomeOf, progressLine, tellRest, waitFor } from '../rollout/wait.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { parseTargets } from '../target.ts';

export interface StatusOptions {
  /** False: tell how it is now. */
  watch: boolean;
  timeoutMs: number;
}

/** `logfleet rollout status ENTRY`: waits until it is done, as kubectl does. */
export async function rolloutStatus(
  api: ControllerApi,
  words: readonly string[],
  { watch, timeoutMs }: StatusOptions,
  write: (text: string) => void,
): Promise<void> {
  const name = entryName(oneEntry(words));
  if (watch) return waitFor(api, { name, etag: '' }, timeoutMs, write);
  const status = await api.call((options) => api.rollouts.getRollout({ name }, options));
  const outcome = outcomeOf(status, status.etag);
  tellRest(status);
  write(`${progressLine(status)}${outcome.kind === 'done' ? ', done' : ''}\n`);
  if (outcome.kind === 'failed') throw new CliError(exitCodes.refused, outcome.text);
}

/** `logfleet rollout pause|resume ENTRY` */
export async function pauseRollout(
  api: ControllerApi,
  words: readonly string[],
  paused: boolean,
  write: (text: string) => void,
): Promise<void> {
  const id = oneEntry(words);
  const request = { name: entryName(id) };
  if (paused) await api.call((options) => api.rollouts.pauseRollout(request, options));
  else await api.call((options) => api.rollouts.resumeRollout(request, options));
  write(`entry/${id} ${paused ? 'paused' : 'resumed'}\n`);
}

/** `logfleet rollout undo ENTRY` */
export async function undoRollout(
  api: ControllerApi,
  words: readonly string[],
  { reason: changeReason = '' }: { reason?: string },
  write: (text: string) => void,
): Promise<void> {
  const id = oneEntry(words);
  const request = { name: entryName(id), changeReason };
  const { revision, deleted } = await api.call((options) => api.rollouts.undoRollout(request, options));
  write(`entry/${id} ${deleted ? 'deleted, for it was new' : `rolled back, its revision is ${revision}`}\n`);
}

/** `app`, `entry/app` or `entry app`. */
function oneEntry(words: readonly string[]): string {
  const [first = ''] = words;
  if (words.length === 1 && first !== '' && !first.includes('/')) return first;
  const { kind, names } = parseTargets(words);
  const [name] = names;
  if (kind !== 'entry' || names.length !== 1 || !name) throw new CliError(exitCodes.usage, 'name one entry');
  return name;
}
