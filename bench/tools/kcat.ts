import type { Tool } from './tool.ts';
import { versionOf } from './version-of.ts';

/**
 * kcat (librdkafka) sends the lines of one file once: no positions, no idempotence, no following.
 * It is the yardstick for speed.
 */
export async function kcat(): Promise<Tool | undefined> {
  const version = await versionOf('kcat', ['-V'], /Version (\S+) .*?(librdkafka \S+)/);
  if (version === undefined) return undefined;
  return {
    name: 'kcat',
    label: 'kcat, one shot',
    version,
    settings: '`kcat -P -l FILE -X acks=all`: keeps no positions, follows no files, guarantees nothing',
    does: ({ task, complete }, files) => task === 'lines' && complete && files === 1,
    ends: true,
    command: async ({ kafka, topic, compression, paths }) => ({
      command: 'kcat',
      args: ['-P', '-b', kafka, '-t', topic, '-z', compression, '-X', 'acks=all', '-l', ...paths],
    }),
  };
}
