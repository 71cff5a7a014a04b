import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../../stack/cache.ts';
import { DROPPED, type Job, MULTILINE_START, type Tool } from './tool.ts';
import { versionOf } from './version-of.ts';

/** Its place in the cache, where `npm run bench -- build-peers` puts it. */
export const OTELCOL = 'bench/otelcol-0.160';

/** The OpenTelemetry Collector: the filelog receiver, file_storage, and the Kafka exporter. */
export async function otelcol(): Promise<Tool | undefined> {
  const binary = join(cacheFolder(), OTELCOL, 'otelcol');
  const version = await versionOf(binary, ['--version'], /version (\S+)/);
  if (version === undefined) return undefined;
  return {
    name: 'otelcol',
    label: 'OpenTelemetry Collector',
    version,
    settings:
      'filelog with file_storage; a sending queue in memory (a kill -9 loses it) that blocks when full, batches of up to 10,000 lines or 20 ms; the Kafka exporter with `encoding: raw`, which makes each line a JSON string in quotes, acks all, linger 5 ms; unmodified files skipped, whitespace preserved',
    does: () => true,
    ends: false,
    // The exporter's `raw` writes bytes unchanged, but filelog turns lines into strings.
    quotes: true,
    command: async (job, folder) => {
      const storage = join(folder, 'storage');
      await mkdir(storage, { recursive: true });
      const config = join(folder, 'otelcol.yaml');
      // JSON is valid YAML.
      await writeFile(config, JSON.stringify(configFor(job, storage), undefined, 2));
      return { command: binary, args: ['--config', config] };
    },
  };
}

function configFor({ paths, topic, kafka, compression, task }: Job, storage: string): object {
  return {
    extensions: { file_storage: { directory: storage } },
    receivers: {
      filelog: {
        include: paths,
        start_at: 'beginning',
        storage: 'file_storage',
        include_file_name: false,
        preserve_leading_whitespaces: true,
        preserve_trailing_whitespaces: true,
        skip_unmodified_files: true,
        initial_buffer_size: '256KiB',
        ...(task === 'multiline' && { multiline: { line_start_pattern: MULTILINE_START } }),
        operators: OPERATORS[task],
      },
    },
    exporters: {
      kafka: {
        brokers: [kafka],
        logs: { topic, encoding: 'raw' },
        producer: { compression, required_acks: -1, linger: '5ms', flush_max_messages: 100_000 },
        timeout: '30s',
        // Don't give up while the broker is away, and don't sleep long when it returns.
        retry_on_failure: { enabled: true, initial_interval: '500ms', max_interval: '2s', max_elapsed_time: '0s' },
        sending_queue: {
          sizer: 'items',
          queue_size: 200_000,
          num_consumers: 4,
          block_on_overflow: true,
          batch: { sizer: 'items', flush_timeout: '20ms', min_size: 5_000, max_size: 10_000 },
        },
      },
    },
    service: {
      extensions: ['file_storage'],
      telemetry: { logs: { level: 'warn' }, metrics: { level: 'none' } },
      pipelines: { logs: { receivers: ['filelog'], exporters: ['kafka'] } },
    },
  };
}

const OPERATORS: Readonly<Record<Job['task'], readonly object[]>> = {
  lines: [],
  multiline: [],
  json: [
    { type: 'json_parser', parse_to: 'attributes' },
    { type: 'filter', expr: 'attributes.level == "debug"' },
  ],
  filter: [{ type: 'filter', expr: `body matches "${DROPPED}"` }],
};
