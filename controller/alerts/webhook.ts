import { shortAgentName, shortEntryName } from '../../proto/rules/names.ts';
import type { AlertRecord } from './alert-record.ts';
import type { Rule } from './conditions.ts';

const CRITICAL: readonly string[] = ['AgentLost', 'LinesLost', 'LossForecast'] satisfies Rule[];
const TIMEOUT_MS = 5_000;
const RESPONSE_CHARACTERS_MAX = 200;
/** The end time of a firing alert: Alertmanager's zero time. */
const NO_END_TIME = '0001-01-01T00:00:00Z';

/** Sends alerts to an HTTP server, in the format of Alertmanager's webhook, version 4. */
export class Webhook {
  readonly #url: string;
  readonly #token: { readonly current: string | undefined } | undefined;

  /** `token` is read for each request. */
  constructor(url: string, token: { readonly current: string | undefined } | undefined) {
    this.#url = url;
    this.#token = token;
  }

  /** Rejects unless the server responds with 2xx within 5 s, and when `signal` is aborted. */
  async send(alerts: readonly AlertRecord[], signal: AbortSignal): Promise<void> {
    const token = this.#token?.current?.trim();
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'logfleet-controller',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(payload(alerts)),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    const text = await response.text();
    if (!response.ok)
      throw new Error(`the webhook responded with ${response.status}: ${text.slice(0, RESPONSE_CHARACTERS_MAX)}`);
  }
}

/** https://prometheus.io/docs/alerting/latest/configuration/#webhook_config */
export function payload(alerts: readonly AlertRecord[]) {
  return {
    version: '4',
    groupKey: '{}:{}',
    truncatedAlerts: 0,
    status: alerts.some(({ endTime }) => !endTime) ? 'firing' : 'resolved',
    receiver: 'logfleet',
    groupLabels: {},
    commonLabels: {},
    commonAnnotations: {},
    externalURL: '',
    alerts: alerts.map(({ id, condition: { rule, agent, entry, summary }, startTime, endTime }) => ({
      status: endTime ? 'resolved' : 'firing',
      labels: {
        alertname: `Logfleet${rule}`,
        severity: CRITICAL.includes(rule) ? 'critical' : 'warning',
        agent: shortAgentName(agent),
        ...(entry !== '' && { entry: shortEntryName(entry) }),
      },
      annotations: { summary },
      startsAt: startTime.toISOString(),
      endsAt: endTime?.toISOString() ?? NO_END_TIME,
      generatorURL: '',
      fingerprint: id,
    })),
  };
}
