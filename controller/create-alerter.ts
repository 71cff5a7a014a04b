import type { Clock } from '../runtime/clock.ts';
import { errorText } from '../runtime/errors.ts';
import type { LiveSecrets } from '../runtime/live-secrets.ts';
import type { Logger } from '../runtime/logger.ts';
import type { AlertRepository } from './alerts/alert-repository.ts';
import { Alerter } from './alerts/alerter.ts';
import type { RuleSettings } from './alerts/conditions.ts';
import { fleetConditions, localConditions } from './alerts/fleet-conditions.ts';
import { Webhook } from './alerts/webhook.ts';
import type { ControllerConfig } from './config.ts';
import type { AgentDirectory } from './fleet/agent-directory.ts';
import { PEER_TIMEOUT_MS, type Peers } from './fleet/peers.ts';

/** The settings of the alert rules. */
export function ruleSettings({ alerts }: ControllerConfig): RuleSettings {
  return {
    agentLostMs: alerts.agent_lost,
    entryFailedMs: alerts.entry_failed,
    lagBytes: alerts.lag_bytes,
    lagMs: alerts.lag,
    lossMs: alerts.loss,
    forecastMs: alerts.loss_forecast,
  };
}

interface AlerterParts {
  alerts: AlertRepository;
  agents: AgentDirectory;
  peers: Peers;
  secrets: LiveSecrets;
}

/** Creates what evaluates the alert rules and delivers alerts. */
export function createAlerter(
  config: ControllerConfig,
  { alerts, agents, peers, secrets }: AlerterParts,
  tools: { clock: Clock; logger: Logger },
): Alerter {
  const rules = ruleSettings(config);
  const { webhook: url, token_file: tokenFile, interval: intervalMs } = config.alerts;
  const token = secrets.line(tokenFile, 'alerts.token_file', undefined);
  const webhook = url === undefined ? undefined : new Webhook(url, token);
  const collect = () => {
    const conditions = localConditions(agents, rules, tools.clock.nowMs());
    const others = peers.all().map(({ id, fleet }) => ({
      id,
      listConditions: async () => {
        try {
          return await fleet.listConditions({}, { signal: AbortSignal.timeout(PEER_TIMEOUT_MS) });
        } catch (error) {
          tools.logger.warn('controller does not list its conditions', { controller: id, error: errorText(error) });
          return undefined;
        }
      },
    }));
    return fleetConditions(agents, { id: config.id, conditions }, others);
  };
  return new Alerter({ rules, intervalMs, webhook }, alerts, collect, tools);
}
