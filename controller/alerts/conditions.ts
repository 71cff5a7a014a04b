import { Condition } from '../../proto/gen/logfleet/v1/alert.ts';
import type { Fact } from '../../proto/gen/logfleet/v1/fact.ts';
import type { Agent, EntryStatus } from '../../proto/gen/logfleet/v1/fleet.ts';

/** The names of the alert rules. */
export const rules = ['AgentLost', 'EntryFailed', 'LagHigh', 'LinesLost', 'LossForecast'] as const;
export type Rule = (typeof rules)[number];

export interface RuleSettings {
  agentLostMs: number;
  entryFailedMs: number;
  /** The lag of an entry on an agent above which it is a condition; 0: never. */
  lagBytes: number;
  lagMs: number;
  /**
   * How long the alert for a loss lasts after the last loss of the entry on the agent; 0: no alert.
   */
  lossMs: number;
  /** How long a loss must be forecast before it is an alert. */
  forecastMs: number;
}

/** How long a condition must hold before it is an alert. */
export function holdMs(rule: string, settings: RuleSettings): number {
  const times: Record<Rule, number> = {
    AgentLost: settings.agentLostMs,
    EntryFailed: settings.entryFailedMs,
    LagHigh: settings.lagMs,
    // A loss is final: there is nothing to wait for.
    LinesLost: 0,
    LossForecast: settings.forecastMs,
  };
  return times[rule as Rule] ?? 0;
}

/** The conditions of a connected agent, from its report and its losses. */
export function agentConditions(
  agent: Agent,
  facts: readonly Fact[],
  settings: RuleSettings,
  nowMs: number,
): Condition[] {
  const found: Condition[] = [];
  const add = (rule: Rule, entry: string, summary: string) =>
    found.push(Condition.create({ rule, agent: agent.name, entry, summary }));
  for (const status of agent.entries) {
    const failure = failureText(status);
    if (failure) add('EntryFailed', status.entry, failure);
    if (settings.lagBytes > 0 && status.lagBytes > settings.lagBytes)
      add('LagHigh', status.entry, `${status.lagBytes} bytes are not acknowledged, more than ${settings.lagBytes}`);
    const forecast = forecastText(status);
    if (forecast) add('LossForecast', status.entry, forecast);
  }
  for (const [entry, losses] of Map.groupBy(recentLosses(facts, nowMs - settings.lossMs), (loss) => loss.entry)) {
    const bytes = losses.reduce((sum, loss) => sum + loss.bytes, 0n);
    add('LinesLost', entry, `${bytes} bytes in ${losses.length} losses, the last one in ${losses.at(-1)?.path}`);
  }
  return found;
}

/** The condition of an agent that disconnected without a goodbye. */
export function lostCondition(agent: Agent): Condition {
  const { identity, name, lastSeenTime } = agent;
  const summary = `the agent on ${identity?.host} disconnected without a goodbye; last seen ${lastSeenTime?.toISOString()}`;
  return Condition.create({ rule: 'AgentLost' satisfies Rule, agent: name, summary });
}

function failureText({ state, error, failedFiles }: EntryStatus): string {
  if (state === 'STATE_FAILED') return error;
  return failedFiles > 0 ? `${failedFiles} files can't be read` : '';
}

/** Without a time: an alert keeps the text it began with. */
function forecastText({ lossForecastFiles: files }: EntryStatus): string {
  return files > 0 ? `at the present rates ${files} files will be rotated away before they are read` : '';
}

function recentLosses(facts: readonly Fact[], sinceMs: number): { entry: string; path: string; bytes: bigint }[] {
  return facts.flatMap(({ kind, entry, path, time }) =>
    kind?.$case === 'loss' && (time?.getTime() ?? 0) > sinceMs ? [{ entry, path, bytes: kind.value.bytes }] : [],
  );
}
