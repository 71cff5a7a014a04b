import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Options } from './options.ts';
import { rsyslogVersion } from './rsyslog.ts';

const OTHERS = ['filebeat', 'otelcol', 'otelcol-contrib'] as const;

/**
 * The peers on this machine. Throws an Error that says what to install if the requested one is
 * missing.
 */
export async function lookForPeers(peer: NonNullable<Options['peer']>): Promise<string> {
  const version = await rsyslogVersion();
  if (version === undefined)
    throw new Error(`--peer: ${peer} is not on this machine; install rsyslogd (Debian: rsyslog and rsyslog-kafka)`);
  const others = await Promise.all(OTHERS.map(async (name) => ((await isInstalled(name)) ? [name] : [])));
  const there = others.flat().join(', ');
  const rest =
    there === '' ? `not on this machine: ${OTHERS.join(', ')}` : `here, but --peer does not know how: ${there}`;
  return `beside ${peer} ${version}; ${rest}`;
}

async function isInstalled(command: string): Promise<boolean> {
  try {
    await promisify(execFile)('sh', ['-c', 'command -v "$1"', 'sh', command]);
    return true;
  } catch {
    return false;
  }
}
