import assert from 'node:assert/strict';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { startBehindProxy } from '../../support/behind-proxy.ts';
import { eventually } from '../../support/eventually.ts';
import { countRecords, createTopic } from '../../support/topics.ts';

const PATIENCE = { timeoutMs: 60_000 };
const RSS_BYTES_MAX = 400 * 1024 * 1024;

// vector #13714, fb #4280, otel #45120, rsyslog #1052, otel #18476, fb #1903 (catalogue 84, 104).
// The outage takes seconds here; the backlog is several times what all batches may hold.
test('while no broker is up, memory stays bounded, and everything is delivered once afterwards', async () => {
  await using on = await startBehindProxy();
  const topic = await createTopic(on.direct);
  await writeFile(on.dir.at('outage.log'), 'first\n');
  await using agent = await on.startAgent('outage', topic, '--buffer-memory', '16MiB');
  await eventually(async () => assert.equal(await countRecords(on.direct, topic), 1), PATIENCE);
  const [broker] = on.kafka.brokers;
  await broker?.kill('SIGKILL');
  const line = (index: number) => `${index} ${'a line of some length '.repeat(8)}\n`;
  const chunks = Array.from({ length: 10 }, (_, chunk) =>
    Array.from({ length: 20_000 }, (_, index) => line(chunk * 20_000 + index)).join(''),
  );
  let most = 0;
  for (const chunk of chunks) {
    await appendFile(on.dir.at('outage.log'), chunk);
    const status = await readFile(`/proc/${agent.pid}/status`, 'utf8');
    most = Math.max(most, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024);
  }
  await agent.logged('delivery is held up', PATIENCE);
  assert.ok(most < RSS_BYTES_MAX, `${most} bytes`);
  await broker?.start();
  await on.isWhole(topic, `first\n${chunks.join('')}`, 200_001, agent);
});
