import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DROPPED, type Job, MULTILINE_START, type Tool } from './tool.ts';
import { versionOf } from './version-of.ts';

/** rsyslogd with imfile and omkafka (Debian: rsyslog and rsyslog-kafka). */
export async function rsyslog(): Promise<Tool | undefined> {
  const version = await versionOf('rsyslogd', ['-v'], /rsyslogd\s+(\S+)/);
  if (version === undefined || !hasKafkaOutput()) return undefined;
  return {
    name: 'rsyslog',
    label: 'rsyslog',
    version,
    settings:
      'imfile by inotify, a queue of 100,000 lines in memory (a kill -9 loses them), dequeued by 4,096; positions kept each 10,000 lines; omkafka with acks=all, linger 5 ms, batches of up to 1,000,000 bytes',
    does: () => true,
    ends: false,
    command: async (job, folder) => {
      const work = join(folder, 'work');
      await mkdir(work, { recursive: true });
      const config = join(folder, 'rsyslog.conf');
      await writeFile(config, render(job, work));
      return { command: 'rsyslogd', args: ['-n', '-iNONE', '-f', config] };
    },
  };
}

function hasKafkaOutput(): boolean {
  const folders = ['/usr/lib', '/usr/lib64', '/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu'];
  return folders.some((folder) => existsSync(join(folder, 'rsyslog', 'omkafka.so')));
}

function render({ paths, topic, kafka, compression, task }: Job, work: string): string {
  const multiline = task === 'multiline' ? `startmsg.regex="${MULTILINE_START}" readTimeout="1" escapeLF="off"` : '';
  const inputs = paths.map(
    (path) =>
      `input(type="imfile" file="${path}" tag="bench" ruleset="kafka" persistStateInterval="10000" ${multiline})`,
  );
  return `global(workDirectory="${work}" maxMessageSize="256k" parser.escapeControlCharactersOnReceive="off")
module(load="imfile" mode="inotify")
module(load="omkafka")
${task === 'json' ? 'module(load="mmjsonparse")' : ''}
template(name="line" type="list") { property(name="msg") }
${inputs.join('\n')}
ruleset(name="kafka" queue.type="FixedArray" queue.size="100000" queue.dequeueBatchSize="4096") {
  ${RULES[task]}
  action(type="omkafka" broker=["${kafka}"] topic="${topic}" template="line" partitions.auto="on"
    confParam=["compression.codec=${compression}", "acks=all", "linger.ms=5", "batch.size=1000000", "queue.buffering.max.messages=1000000"]
    resubmitOnFailure="on" action.resumeRetryCount="-1")
}
`;
}

const RULES: Readonly<Record<Job['task'], string>> = {
  lines: '',
  multiline: '',
  json: 'action(type="mmjsonparse" cookie="")\n  if $!level == "debug" then stop',
  // Faster than re_match(), with the same result here.
  filter: `if $msg contains "${DROPPED}" then stop`,
};
