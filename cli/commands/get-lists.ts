import { agentName, entryName } from '../../proto/rules/names.ts';
import type { AgentChoice } from '../agent-choice.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { alertKind, lossKind, type Output } from '../output.ts';
import { rolloutKind } from '../rollout/rollout-kind.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { listAlerts, listLosses, listRollouts, listSettings } from '../rpc/lists.ts';
import { getSettings } from '../rpc/settings.ts';
import { settingsKind } from '../settings-kind.ts';
import { render, showList } from './show-list.ts';

export interface GetOptions extends AgentChoice {
  output: Output;
  selector?: string;
  watch?: boolean;
  /** Of losses: only of this agent, or about this entry. */
  agent?: string;
}

export async function showSettings(
  api: ControllerApi,
  names: readonly string[],
  { selector, agent, entry, watch, output }: GetOptions,
  write: (text: string) => void,
): Promise<void> {
  if ([selector, agent, entry, watch].some((option) => option !== undefined))
    throw new CliError(exitCodes.usage, 'name agents whose settings to get, or none for all that have some');
  const all = names.length === 0;
  const items = all ? await listSettings(api) : await Promise.all(names.map((name) => getSettings(api, name)));
  if (all) showList(settingsKind, items, output, write);
  else write(render(settingsKind, items, output, names.length === 1));
}

export async function getLosses(
  api: ControllerApi,
  names: readonly string[],
  { selector = '', agent, entry, watch, output }: GetOptions,
  write: (text: string) => void,
): Promise<void> {
  if (names.length > 0) throw new CliError(exitCodes.usage, 'losses have no names: choose with -l, --agent or --entry');
  if (watch) throw new CliError(exitCodes.usage, '--watch is for entries and agents');
  const chosen = { agent: agent ? agentName(agent) : '', entry: entry ? entryName(entry) : '' };
  showList(lossKind, await listLosses(api, { labelSelector: selector, ...chosen }), output, write);
}

export async function getAlerts(
  api: ControllerApi,
  names: readonly string[],
  { selector, agent, entry, watch, output }: GetOptions,
  write: (text: string) => void,
): Promise<void> {
  if (names.length > 0 || selector !== undefined)
    throw new CliError(exitCodes.usage, 'alerts have no names and labels: choose with --agent or --entry');
  if (watch) throw new CliError(exitCodes.usage, '--watch is for entries and agents');
  const alerts = await listAlerts(api);
  const chosen = alerts.filter(
    ({ condition }) =>
      (agent === undefined || condition?.agent === agentName(agent)) &&
      (entry === undefined || condition?.entry === entryName(entry)),
  );
  showList(alertKind, chosen, output, write);
}

export async function getRollouts(
  api: ControllerApi,
  names: readonly string[],
  { selector, agent, entry, watch, output }: GetOptions,
  write: (text: string) => void,
): Promise<void> {
  if (selector !== undefined || agent !== undefined || watch)
    throw new CliError(exitCodes.usage, 'choose rollouts by --entry, or by names; rollout status follows one');
  const wanted = [...names, ...(entry === undefined ? [] : [entry])].map(entryName);
  const rollouts = await listRollouts(api);
  const chosen = rollouts.filter(({ entry: name }) => wanted.length === 0 || wanted.includes(name));
  showList(rolloutKind, chosen, output, write);
}
