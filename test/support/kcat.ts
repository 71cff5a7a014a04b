import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { errorCode } from '../../runtime/errors.ts';

const run = promisify(execFile);
const SPACE = 0x20;

/**
 * The values of a topic's partition as kcat (librdkafka) reads them, a client that shares nothing
 * with ours or with kafkajs; undefined if it is not installed.
 */
export async function kcatValues(bootstrap: readonly string[], topic: string): Promise<Buffer[] | undefined> {
  // %S: the value's length in bytes.
  const args = ['-b', bootstrap.join(','), '-C', '-t', topic, '-p', '0', '-o', 'beginning', '-e', '-q', '-f', '%S %s'];
  let output: Buffer;
  try {
    ({ stdout: output } = await run('kcat', args, { encoding: 'buffer', maxBuffer: 256 << 20 }));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  const values: Buffer[] = [];
  for (let at = 0; at < output.length; ) {
    const space = output.indexOf(SPACE, at);
    const end = space + 1 + Number(output.toString('latin1', at, space));
    values.push(output.subarray(space + 1, end));
    at = end;
  }
  return values;
}
