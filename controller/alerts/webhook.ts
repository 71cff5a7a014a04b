import { shortAgentName, shortEntryName } from '../../proto/rules/names.ts';
import type { AlertRecord } from './alert-record.ts';
import type { Rule } from './conditions.ts';

const CRITICAL: readonly string[] = ['AgentLost', 'LinesLost', 'LossForecast'] satisfies Rule[];
const TIMEOUT_MS = 5_000;
const ANSWER_SHOWN_MAX = 200;
/** Of alerts that fire: nobody sends an end time that is not known. */
const NO_TIME = '0001-01-01T00:00:00Z';

/** Tells alerts to an HTTP server, in the form of Alertmanager's webhook, version 4. */
export class Webhook {
  readonly #url: string;
  readonly #token: { readonly current: string | undefined } | undefined;

  /** `token` is read for each request. */
  constructor(url: string, token: { readonly current: string | undefined } | undefined) {
    this.#url = url;
    this.#token = token;
  }

  /** Rejects unless the server says 2xx within 5 s, and with the signal's reason as soon as that is aborted. */
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
    const answer = await response.text();
    if (!response.ok) throw new Error(`the webhook says ${response.status}: ${answer.slice(0, ANSWER_SHOWN_MAX)}`);
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
      endsAt: endTime?.toISOString() ?? NO_TIME,
      generatorURL: '',
      fingerprint: id,
    })),
  };
}
