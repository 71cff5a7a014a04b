import { after } from 'node:test';
import { startEtcd } from '../../stack/etcd.ts';
import { startKafka } from '../../stack/kafka.ts';
import { tempDir } from './temp-dir.ts';

/**
 * The test runner's servers, for tests that don't stop them and share them: use your own topics and
 * prefixes.
 */
export async function sharedEtcd(): Promise<string> {
  const given = process.env['LOGFLEET_TEST_ETCD'];
  if (given !== undefined) return given;
  ownEtcd ??= startForProcess('etcd', async (dataDir) => {
    const etcd = await startEtcd({ dataDir });
    return { value: etcd.endpoint, stop: () => etcd.stop() };
  });
  return ownEtcd;
}

export async function sharedKafka(): Promise<string[]> {
  const given = process.env['LOGFLEET_TEST_KAFKA'];
  if (given !== undefined) return given.split(',');
  ownKafka ??= startForProcess('kafka', async (dataDir) => {
    const kafka = await startKafka({ dataDir });
    return { value: kafka.bootstrap, stop: () => kafka.stop() };
  });
  return ownKafka;
}

let ownEtcd: Promise<string> | undefined;
let ownKafka: Promise<string[]> | undefined;

/** For one file run by hand: servers that live as long as the file's tests. */
async function startForProcess<T>(
  name: string,
  start: (dataDir: string) => Promise<{ value: T; stop(): Promise<void> }>,
): Promise<T> {
  const folder = await tempDir(name);
  const { value, stop } = await start(folder.path);
  after(async () => {
    await stop();
    await folder[Symbol.asyncDispose]();
  });
  return value;
}
