import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Collector, CollectorSetup } from './collector.ts';
import { supervise } from './supervised.ts';

const run = promisify(execFile);

/**
 * rsyslog's version; undefined if rsyslogd or its Kafka output is not installed (Debian:
 * rsyslog-kafka).
 */
export async function rsyslogVersion(): Promise<string | undefined> {
  try {
    const { stdout } = await run('rsyslogd', ['-v']);
    return /rsyslogd\s+(\S+)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}

/** rsyslogd with imfile and omkafka. */
export async function rsyslog(setup: CollectorSetup, say: (line: string) => void): Promise<Collector> {
  const { stateDir, logFile } = setup;
  await mkdir(stateDir, { recursive: true });
  const config = join(stateDir, '..', 'rsyslog.conf');
  await writeFile(config, render(setup));
  const daemon = supervise({ command: 'rsyslogd', args: ['-n', '-iNONE', '-f', config], logFile }, say);
  return {
    ...daemon,
    get endedByItself() {
      return daemon.endedByItself;
    },
    name: `rsyslog ${(await rsyslogVersion()) ?? ''}`.trim(),
    stateDir,
    files: async () => undefined,
  };
}

/**
 * Configured as its documentation advises against loss: positions are stored often, and after lines
 * were handed on; an idempotent producer waits for all replicas; what Kafka refuses is stored in a
 * file and sent again.
 */
function render({ paths, topic, bootstrap, stateDir }: CollectorSetup): string {
  const brokers = bootstrap.map((address) => `"${address}"`).join(',');
  return `global(workDirectory="${stateDir}" maxMessageSize="256k" parser.escapeControlCharactersOnReceive="off")
module(load="imfile" mode="inotify")
module(load="omkafka")
template(name="line" type="string" string="%msg%")
${paths.map((path) => `input(type="imfile" file="${path}" tag="chaos" ruleset="kafka" persistStateInterval="100" persistStateAfterSubmission="on")`).join('\n')}
ruleset(name="kafka") {
  action(type="omkafka" broker=[${brokers}] topic="${topic}" template="line" partitions.auto="on"
    confParam=["compression.codec=lz4", "acks=all", "enable.idempotence=true"]
    resubmitOnFailure="on" keepFailedMessages="on" failedMsgFile="${join(stateDir, 'failed')}" action.resumeRetryCount="-1")
}
`;
}
