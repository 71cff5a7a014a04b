import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DROPPED, type Job, MULTILINE_START, type Tool } from './tool.ts';
import { versionOf } from './version-of.ts';

/** Filebeat. Its binary must be given: no package registry that we use has it. */
export async function filebeat(binary: string | undefined): Promise<Tool | undefined> {
  if (binary === undefined) return undefined;
  const version = await versionOf(binary, ['version'], /version (\S+)/);
  if (version === undefined) throw new Error(`--filebeat: ${binary} does not run, or is no Filebeat`);
  return {
    name: 'filebeat',
    label: 'Filebeat',
    version,
    settings:
      'the filestream input; a queue of 32,768 events in memory, flushed each 20 ms; the Kafka output with codec format, required_acks -1, bulk_max_size 4,096; its registry flushed each second',
    does: () => true,
    ends: false,
    command: async (job, folder) => {
      const home = join(folder, 'home');
      await mkdir(home, { recursive: true });
      const config = join(folder, 'filebeat.yml');
      await writeFile(config, JSON.stringify(configFor(job), undefined, 2), { mode: 0o600 });
      const args = ['-c', config, '-e', '--strict.perms=false', '--path.home', home, '--path.data', join(home, 'data')];
      return { command: binary, args };
    },
  };
}

function configFor({ paths, topic, kafka, compression, task }: Job): object {
  const multiline = { type: 'pattern', pattern: MULTILINE_START, negate: true, match: 'after', timeout: '1s' };
  return {
    'filebeat.inputs': [
      {
        type: 'filestream',
        id: 'bench',
        paths,
        'prospector.scanner.check_interval': '1s',
        'close.on_state_change.inactive': '5m',
        buffer_size: 262_144,
        message_max_bytes: 1_048_576,
        ...(task === 'multiline' && { parsers: [{ multiline }] }),
        ...(task === 'filter' && { exclude_lines: [DROPPED] }),
      },
    ],
    ...(task === 'json' && {
      processors: [
        { decode_json_fields: { fields: ['message'], target: 'json' } },
        { drop_event: { when: { equals: { 'json.level': 'debug' } } } },
      ],
    }),
    'filebeat.registry.flush': '1s',
    'queue.mem': { events: 32_768, 'flush.min_events': 4_096, 'flush.timeout': '20ms' },
    'output.kafka': {
      hosts: [kafka],
      topic,
      'codec.format': { string: '%{[message]}' },
      required_acks: -1,
      compression,
      bulk_max_size: 4_096,
      max_message_bytes: 1_000_000,
      worker: 2,
    },
    'logging.level': 'warning',
  };
}
