import { Condition } from '../../proto/gen/logfleet/v1/alert.ts';
import type { Fact } from '../../proto/gen/logfleet/v1/fact.ts';
import type { Agent, EntryStatus } from '../../proto/gen/logfleet/v1/fleet.ts';

/** The rules: what is wrong, and for how long it must be so. */
export const rules = ['AgentLost', 'EntryFailed', 'LagHigh', 'LinesLost', 'LossForecast'] as const;
export type Rule = (typeof rules)[number];

export interface RuleSettings {
  agentLostMs: number;
  entryFailedMs: number;
  /** Above this an entry on an agent lags; 0: no alerts of that. */
  lagBytes: number;
  lagMs: number;
  /** For how long after the last loss of an entry on an agent its alert goes on; 0: no alerts of that. */
  lossMs: number;
  /** How long a loss must have been forecast. */
  forecastMs: number;
}

/** How long a condition must hold before it is an alert. */
export function holdMs(rule: string, settings: RuleSettings): number {
  const times: Record<Rule, number> = {
    AgentLost: settings.agentLostMs,
    EntryFailed: settings.entryFailedMs,
    LagHigh: settings.lagMs,
    // What is lost stays lost.
    LinesLost: 0,
    LossForecast: settings.forecastMs,
  };
  return times[rule as Rule] ?? 0;
}

/** What is wrong with an agent that is connected, by what it has reported, and its losses. */
export function conditionsOf(agent: Agent, facts: readonly Fact[], settings: RuleSettings, nowMs: number): Condition[] {
  const found: Condition[] = [];
  const add = (rule: Rule, entry: string, summary: string) =>
    found.push(Condition.create({ rule, agent: agent.name, entry, summary }));
  for (const status of agent.entries) {
    const failure = failureOf(status);
    if (failure) add('EntryFailed', status.entry, failure);
    if (settings.lagBytes > 0 && status.lagBytes > settings.lagBytes)
      add('LagHigh', status.entry, `${status.lagBytes} bytes are not acknowledged yet, more than ${settings.lagBytes}`);
    const forecast = forecastOf(status);
    if (forecast) add('LossForecast', status.entry, forecast);
  }
  for (const [entry, losses] of Map.groupBy(recentLosses(facts, nowMs - settings.lossMs), (loss) => loss.entry)) {
    const bytes = losses.reduce((sum, loss) => sum + loss.bytes, 0n);
    add('LinesLost', entry, `${bytes} bytes in ${losses.length} losses, the last one of ${losses.at(-1)?.path}`);
  }
  return found;
}

/** The condition of an agent that has vanished without a goodbye. */
export function lostCondition(agent: Agent): Condition {
  const { identity, name, lastSeenTime } = agent;
  const summary = `the agent on ${identity?.host} is gone; last written down ${lastSeenTime?.toISOString()}`;
  return Condition.create({ rule: 'AgentLost' satisfies Rule, agent: name, summary });
}

function failureOf({ state, error, failedFiles }: EntryStatus): string {
  if (state === 'STATE_FAILED') return error;
  return failedFiles > 0 ? `${failedFiles} files can't be read` : '';
}

/** Not in how many seconds: what is told of an alert is what was so when it began. */
function forecastOf({ lossForecastFiles: files }: EntryStatus): string {
  return files > 0 ? `${files} files will be rotated away before they are read, if all goes on as it does` : '';
}

function recentLosses(facts: readonly Fact[], sinceMs: number): { entry: string; path: string; bytes: bigint }[] {
  return facts.flatMap(({ kind, entry, path, time }) =>
    kind?.$case === 'loss' && (time?.getTime() ?? 0) > sinceMs ? [{ entry, path, bytes: kind.value.bytes }] : [],
  );
}
