import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import { agentName } from '../../proto/rules/names.ts';
import { systemClock } from '../../runtime/clock.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { size, word } from '../format.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { changeSettings } from '../rpc/settings.ts';
import { forEachName, parseTargets } from '../target.ts';

export interface DrainOptions {
  wait?: boolean;
  /** For how long. */
  timeoutMs: number;
  reason?: string;
}

type Write = (text: string) => void;

const LOOK_INTERVAL_MS = 500;

/** `logfleet drain agent NAME… [--wait]` */
export async function drain(
  api: ControllerApi,
  words: readonly string[],
  { wait, timeoutMs, reason = '' }: DrainOptions,
  write: Write,
): Promise<void> {
  const { kind, names } = parseTargets(words);
  if (kind !== 'agent' || names.length === 0) throw new CliError(exitCodes.usage, 'name the agents to drain');
  const etags = new Map<string, string>();
  await forEachName(names, async (name) => {
    const { etag } = await changeSettings(api, name, () => ({ draining: true }), reason);
    etags.set(name, etag);
    if (!wait) write(`agent/${name} draining\n`);
  });
  if (!wait) return;
  const deadlineMs = systemClock.monotonicMs() + timeoutMs;
  await forEachName(names, (name) =>
    untilDrained(api, name, { etag: etags.get(name) ?? '', deadlineMs, timeoutMs }, write),
  );
}

async function untilDrained(
  api: ControllerApi,
  name: string,
  { etag, deadlineMs, timeoutMs }: { etag: string; deadlineMs: number; timeoutMs: number },
  write: Write,
): Promise<void> {
  for (let told = ''; ; await systemClock.sleep(LOOK_INTERVAL_MS)) {
    const agent = await api.call((options) => api.fleet.getAgent({ name: agentName(name) }, options));
    const { drain: status } = agent.health ?? {};
    if (hasTaken(agent, etag) && status?.state === 'STATE_DRAINED') {
      const left =
        status.leftBytes > 0n ? `, and ${size(status.leftBytes)} left: see logfleet describe agent ${name}` : '';
      write(`agent/${name} drained${left}\n`);
      return;
    }
    const waits = obstacle(agent, etag);
    if (systemClock.monotonicMs() > deadlineMs)
      throw new CliError(exitCodes.refused, `agent/${name} is not drained after ${timeoutMs / 1_000} s: ${waits}`);
    if (waits !== told) process.stderr.write(`agent/${name}: ${waits}\n`);
    told = waits;
  }
}

/** What it waits for. */
function obstacle({ health, liveness, error, capabilities }: Agent, etag: string): string {
  if (liveness !== 'LIVENESS_LIVE') return `it is ${word(liveness).toLowerCase()}`;
  if (error !== '') return error;
  if (capabilities.length > 0 && !capabilities.includes('settings'))
    return 'its version can not be drained: upgrade it';
  if (!hasTaken({ health }, etag)) return 'it has not taken it up yet, or was resumed meanwhile';
  if (!health?.drain) return 'it was resumed meanwhile';
  return health.drain.waitingFor || 'its report';
}

/** Others may have changed its settings since. */
function hasTaken({ health }: Pick<Agent, 'health'>, etag: string): boolean {
  return BigInt(health?.settingsEtag || 0) >= BigInt(etag || 0);
}
