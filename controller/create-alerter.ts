import type { Clock } from '../runtime/clock.ts';
import { errorText } from '../runtime/errors.ts';
import type { LiveSecrets } from '../runtime/live-secrets.ts';
import type { Logger } from '../runtime/logger.ts';
import type { AlertBook } from './alerts/alert-book.ts';
import { Alerter } from './alerts/alerter.ts';
import { fleetConditions, localConditions } from './alerts/collect.ts';
import type { RuleSettings } from './alerts/conditions.ts';
import { Webhook } from './alerts/webhook.ts';
import type { ControllerConfig } from './config.ts';
import type { Fleet } from './fleet/fleet.ts';
import { PEER_TIMEOUT_MS, type Peers } from './fleet/peers.ts';

/** The rules' settings. */
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

export function createAlerter(
  config: ControllerConfig,
  { book, fleet, peers, secrets }: { book: AlertBook; fleet: Fleet; peers: Peers; secrets: LiveSecrets },
  tools: { clock: Clock; logger: Logger },
): Alerter {
  const { alerts, id } = config;
  const rules = ruleSettings(config);
  const token = secrets.line(alerts.token_file, 'alerts.token_file', undefined);
  const webhook = alerts.webhook === undefined ? undefined : new Webhook(alerts.webhook, token);
  const collect = () => {
    const conditions = localConditions(fleet, rules, tools.clock.nowMs());
    const others = peers.all().map((peer) => ({
      id: peer.id,
      listConditions: async () => {
        try {
          return await peer.client.listConditions({}, { signal: AbortSignal.timeout(PEER_TIMEOUT_MS) });
        } catch (error) {
          const text = { controller: peer.id, error: errorText(error) };
          tools.logger.warn("a controller does not tell its agents' conditions", text);
          return undefined;
        }
      },
    }));
    return fleetConditions(fleet, { id, conditions }, others);
  };
  return new Alerter({ rules, intervalMs: alerts.interval, webhook }, book, collect, tools);
}
