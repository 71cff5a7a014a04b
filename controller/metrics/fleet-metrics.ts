import { shortEntryName } from '../../proto/rules/names.ts';
import type { AlertBook } from '../alerts/alert-book.ts';
import type { AlerterCounts } from '../alerts/alerter.ts';
import { rules } from '../alerts/conditions.ts';
import type { EntrySums, FleetSums } from '../fleet/entry-sums.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { MetricFamily, Sample } from './exposition.ts';

export interface MetricSources {
  fleet: Fleet;
  sums: FleetSums;
  book: AlertBook;
  alerter: AlerterCounts;
  /** Whether etcd knows this controller to be alive. */
  joined(): boolean;
}

/** What one controller knows: of the agents connected to it, so that the sum over the controllers is the fleet's. Per entry, not per agent: those are too many. */
export function fleetMetrics({ fleet, sums, book, alerter, joined }: MetricSources): MetricFamily[] {
  const alerts = book.all().filter(({ endTime }) => !endTime);
  const gauge = (name: string, help: string, samples: readonly Sample[]): MetricFamily => {
    return { name, help, type: 'gauge', samples };
  };
  const counter = (name: string, help: string, value: number): MetricFamily => {
    return { name, help, type: 'counter', samples: [{ value }] };
  };
  return [
    gauge('logfleet_agents_connected', 'Agents connected to this controller.', [
      { value: [...fleet.sessions()].length },
    ]),
    gauge('logfleet_agents_lost', 'Agents of the fleet that have vanished without a goodbye.', [
      { value: fleet.lost().length },
    ]),
    ...entryMetrics(sums, gauge),
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

type Gauge = (name: string, help: string, samples: readonly Sample[]) => MetricFamily;

/** What is summed over the agents that have an entry. */
const ENTRY_SUMS = {
  lagBytes: ['logfleet_entry_lag_bytes', 'Bytes of an entry that are not acknowledged by Kafka yet.'],
  bytesPerSecond: ['logfleet_entry_bytes_per_second', 'Bytes of an entry acknowledged by Kafka per second.'],
  lostBytes: ['logfleet_entry_lost_bytes', 'Bytes of an entry lost for good, as far as its agents are connected.'],
  files: ['logfleet_entry_files', 'Files of an entry.'],
  failedFiles: ['logfleet_entry_failed_files', "Files of an entry that can't be read now."],
  forecastFiles: ['logfleet_entry_loss_forecast_files', 'Files that will be rotated away before they are read.'],
} as const satisfies Partial<Record<keyof EntrySums, readonly [string, string]>>;

/** Entries without a forecast have no value: 0 would be the worst. */
const FORECAST_HELP = 'In how many seconds the first file of an entry loses lines, where a loss is forecast.';

function entryMetrics(fleetSums: FleetSums, gauge: Gauge): MetricFamily[] {
  const sums = [...fleetSums.byEntry()].map(([name, sum]) => ({ entry: shortEntryName(name), sum }));
  const fields = Object.keys(ENTRY_SUMS) as (keyof typeof ENTRY_SUMS)[];
  const samples = (pick: (sum: EntrySums) => number | undefined): Sample[] =>
    sums.flatMap(({ entry, sum }) => {
      const value = pick(sum);
      return value === undefined ? [] : [{ labels: { entry }, value }];
    });
  const byState = sums.flatMap(({ entry, sum: { states } }) =>
    [...states].map(([state, value]) => ({
      labels: { entry, state: state.replace(/^STATE_/, '').toLowerCase() },
      value,
    })),
  );
  return [
    gauge('logfleet_entry_agents', 'Agents that have an entry, by what they have made of it.', byState),
    ...fields.map((field) => {
      const [name, help] = ENTRY_SUMS[field];
      return gauge(
        name,
        help,
        samples((sum) => sum[field]),
      );
    }),
    gauge(
      'logfleet_entry_lag_seconds',
      'For how long the oldest unread line of an entry has been waiting.',
      samples(({ oldest }) => oldest?.seconds ?? 0),
    ),
    gauge(
      'logfleet_entry_loss_forecast_seconds',
      FORECAST_HELP,
      samples(({ forecast }) => forecast?.seconds),
    ),
  ];
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
