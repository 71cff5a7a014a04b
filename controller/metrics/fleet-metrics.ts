import { shortEntryName } from '../../proto/rules/names.ts';
import type { AlertRepository } from '../alerts/alert-repository.ts';
import type { AlerterCounts } from '../alerts/alerter.ts';
import { rules } from '../alerts/conditions.ts';
import type { AgentDirectory } from '../fleet/agent-directory.ts';
import type { EntrySums, FleetSums } from '../fleet/entry-sums.ts';
import type { MetricFamily, Sample } from './exposition.ts';

export interface MetricSources {
  agents: AgentDirectory;
  sums: FleetSums;
  alerts: AlertRepository;
  alerter: AlerterCounts;
  lease: { readonly isHeld: boolean };
}

/**
 * The metrics of one controller. Those of agents cover the agents connected to it, so their sum
 * over the controllers is the fleet's. They are per entry: per agent they would be too many.
 */
export function fleetMetrics({ agents, sums, alerts, alerter, lease }: MetricSources): MetricFamily[] {
  const firing = alerts.all().filter(({ endTime }) => !endTime);
  const lost = [...agents.all()].filter(({ liveness }) => liveness === 'LIVENESS_LOST');
  return [
    gauge('logfleet_agents_connected', 'Agents connected to this controller.', [...agents.sessions()].length),
    gauge('logfleet_agents_lost', 'Agents of the fleet that disconnected without a goodbye.', lost.length),
    ...entryMetrics(sums),
    {
      ...{ name: 'logfleet_alerts_firing', help: 'Firing alerts of the fleet, by rule.', type: 'gauge' },
      samples: rules.map((rule) => ({
        labels: { rule },
        value: firing.filter(({ condition }) => condition.rule === rule).length,
      })),
    },
    gauge(
      'logfleet_alerts_elected',
      'Whether this controller evaluates the alert rules (1 or 0).',
      Number(alerter.elected),
    ),
    counter('logfleet_webhook_alerts_total', 'Alerts delivered to the webhook.', alerter.delivered),
    counter('logfleet_webhook_failures_total', 'Failed requests to the webhook.', alerter.failures),
    gauge('logfleet_etcd_joined', 'Whether this controller holds its lease in etcd (1 or 0).', Number(lease.isHeld)),
    gauge('process_resident_memory_bytes', 'Resident memory of the controller.', process.memoryUsage.rss()),
    counter('process_cpu_seconds_total', 'CPU time of the controller.', cpuSeconds()),
  ];
}

function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'gauge', samples: [{ value }] };
}

function counter(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'counter', samples: [{ value }] };
}

interface EntryMetric {
  name: string;
  help: string;
  /** Undefined: the entry has no sample. */
  read(sum: EntrySums): number | undefined;
}

const ENTRY_METRICS: readonly EntryMetric[] = [
  {
    name: 'logfleet_entry_lag_bytes',
    help: 'Bytes of an entry that Kafka has not acknowledged yet.',
    read: ({ lagBytes }) => lagBytes,
  },
  {
    name: 'logfleet_entry_bytes_per_second',
    help: 'Bytes of an entry that Kafka acknowledges per second.',
    read: ({ bytesPerSecond }) => bytesPerSecond,
  },
  {
    name: 'logfleet_entry_lost_bytes',
    help: 'Bytes of an entry that can never be delivered, as reported by connected agents.',
    read: ({ lostBytes }) => lostBytes,
  },
  { name: 'logfleet_entry_files', help: 'Files of an entry.', read: ({ files }) => files },
  {
    name: 'logfleet_entry_failed_files',
    help: 'Files of an entry that cannot be read at present.',
    read: ({ failedFiles }) => failedFiles,
  },
  {
    name: 'logfleet_entry_loss_forecast_files',
    help: 'Files of an entry that are forecast to be rotated away before they are read.',
    read: ({ forecastFiles }) => forecastFiles,
  },
  {
    name: 'logfleet_entry_lag_seconds',
    help: 'How long the oldest unread line of an entry has been waiting.',
    read: ({ oldest }) => oldest?.seconds ?? 0,
  },
  {
    name: 'logfleet_entry_loss_forecast_seconds',
    help: 'Seconds until the first forecast loss of an entry. No sample without a forecast.',
    // Not 0, which would be the worst value.
    read: ({ forecast }) => forecast?.seconds,
  },
];

function entryMetrics(sums: FleetSums): MetricFamily[] {
  const entries = [...sums.byEntry()].map(([name, sum]) => ({ entry: shortEntryName(name), sum }));
  const byState = entries.flatMap(({ entry, sum: { states } }) =>
    [...states].map(([state, value]): Sample => {
      return { labels: { entry, state: state.replace(/^STATE_/, '').toLowerCase() }, value };
    }),
  );
  const metrics = ENTRY_METRICS.map(({ name, help, read }): MetricFamily => {
    const samples = entries.flatMap(({ entry, sum }) => {
      const value = read(sum);
      return value === undefined ? [] : [{ labels: { entry }, value }];
    });
    return { name, help, type: 'gauge', samples };
  });
  const help = 'Agents with an entry, by the state they report for it.';
  return [{ name: 'logfleet_entry_agents', help, type: 'gauge', samples: byState }, ...metrics];
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
