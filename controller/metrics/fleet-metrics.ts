import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { AlertBook } from '../alerts/alert-book.ts';
import type { AlerterCounts } from '../alerts/alerter.ts';
import { rules } from '../alerts/conditions.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { MetricFamily, Sample } from './exposition.ts';

export interface MetricSources {
  fleet: Fleet;
  book: AlertBook;
  alerter: AlerterCounts;
  /** Whether etcd knows this controller to be alive. */
  joined(): boolean;
}

/** What one controller knows: of the agents connected to it, so that the sum over the controllers is the fleet's. Per entry, not per agent: those are too many. */
export function fleetMetrics({ fleet, book, alerter, joined }: MetricSources): MetricFamily[] {
  const agents = fleet.local(false);
  const alerts = book.all().filter(({ endTime }) => !endTime);
  const gauge = (name: string, help: string, samples: readonly Sample[]): MetricFamily => {
    return { name, help, type: 'gauge', samples };
  };
  const counter = (name: string, help: string, value: number): MetricFamily => {
    return { name, help, type: 'counter', samples: [{ value }] };
  };
  return [
    gauge('logfleet_agents_connected', 'Agents connected to this controller.', [{ value: agents.length }]),
    gauge('logfleet_agents_lost', 'Agents of the fleet that have vanished without a goodbye.', [
      { value: fleet.lost().length },
    ]),
    ...entryMetrics(agents, gauge),
    gauge(
      'logfleet_alerts_firing',
      'Alerts that are firing in the fleet, by rule.',
      rules.map((rule) => ({
        labels: { rule },
        value: alerts.filter(({ condition }) => condition.rule === rule).length,
      })),
    ),
    gauge('logfleet_alerts_elected', 'Whether this controller evaluates the alert rules.', [
      { value: alerter.elected ? 1 : 0 },
    ]),
    counter('logfleet_webhook_alerts_total', 'Alerts delivered to the webhook.', alerter.delivered),
    counter('logfleet_webhook_failures_total', 'Requests to the webhook that failed.', alerter.failures),
    gauge('logfleet_etcd_joined', 'Whether the lease of this controller in etcd is kept.', [
      { value: joined() ? 1 : 0 },
    ]),
    gauge('process_resident_memory_bytes', 'Resident memory of the controller.', [
      { value: process.memoryUsage.rss() },
    ]),
    counter('process_cpu_seconds_total', 'CPU time of the controller.', cpuSeconds()),
  ];
}

/** What is summed over the agents that have an entry. */
const ENTRY_SUMS = {
  lagBytes: ['logfleet_entry_lag_bytes', 'Bytes of an entry that are not acknowledged by Kafka yet.'],
  bytesPerSecond: ['logfleet_entry_bytes_per_second', 'Bytes of an entry acknowledged by Kafka per second.'],
  lostBytes: ['logfleet_entry_lost_bytes', 'Bytes of an entry lost for good, as far as its agents are connected.'],
  files: ['logfleet_entry_files', 'Files of an entry.'],
  failedFiles: ['logfleet_entry_failed_files', "Files of an entry that can't be read now."],
} as const;

function entryMetrics(
  agents: readonly Agent[],
  gauge: (name: string, help: string, samples: readonly Sample[]) => MetricFamily,
): MetricFamily[] {
  const fields = Object.keys(ENTRY_SUMS) as (keyof typeof ENTRY_SUMS)[];
  const sums = new Map<string, Record<keyof typeof ENTRY_SUMS, number>>();
  const states = new Map<string, number>();
  for (const { entries } of agents) {
    for (const status of entries) {
      const entry = status.entry.replace(/^entries\//, '');
      const sum = sums.get(entry) ?? { lagBytes: 0, bytesPerSecond: 0, lostBytes: 0, files: 0, failedFiles: 0 };
      for (const field of fields) sum[field] += Number(status[field]);
      sums.set(entry, sum);
      const state = `${entry} ${status.state.replace(/^STATE_/, '').toLowerCase()}`;
      states.set(state, (states.get(state) ?? 0) + 1);
    }
  }
  const ofEntries = (field: keyof typeof ENTRY_SUMS) =>
    [...sums].map(([entry, sum]) => ({ labels: { entry }, value: sum[field] }));
  const byState = [...states].map(([key, value]) => {
    const [entry = '', state = ''] = key.split(' ');
    return { labels: { entry, state }, value };
  });
  return [
    gauge('logfleet_entry_agents', 'Agents that have an entry, by what they have made of it.', byState),
    ...fields.map((field) => gauge(ENTRY_SUMS[field][0], ENTRY_SUMS[field][1], ofEntries(field))),
  ];
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
