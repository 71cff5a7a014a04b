import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResponseQueue } from '../../../controller/rpc/response-queue.ts';
import { Answer, TapLine, TapPart } from '../../../proto/gen/logfleet/v1/ask.ts';

const BYTES = 100_000;
const lines = [TapLine.create({ line: Buffer.alloc(BYTES) })];
const sample = () => Answer.create({ part: { $case: 'tap', value: TapPart.create({ lines, leftOut: 3n }) } });

test("samples beyond the bound are dropped and counted in the agent's next part, also in its last one", async () => {
  const queue = new ResponseQueue();
  for (let put = 0; put < 100; put++) queue.put('agents/a', sample(), BYTES);
  queue.put('agents/a', Answer.create({ done: true }), 10);
  queue.put('agents/b', sample(), BYTES);
  queue.put('agents/b', Answer.create({ done: true }), 10);
  queue.close();
  const counted = new Map<string, number[]>();
  for (let next = await queue.take(); next; next = await queue.take()) {
    const { agent, answer } = next;
    const part = answer?.part?.$case === 'tap' ? answer.part.value : TapPart.create();
    const [shown = 0, leftOut = 0, dropped = 0] = counted.get(agent) ?? [];
    counted.set(agent, [shown + part.lines.length, leftOut + Number(part.leftOut), dropped + Number(part.dropped)]);
  }
  const [shown = 0, leftOut, dropped = 0] = counted.get('agents/a') ?? [];
  assert.ok(shown <= 11, `${shown} waited`);
  assert.deepEqual([shown + dropped, leftOut], [100, 300]);
  assert.deepEqual(counted.get('agents/b'), [0, 3, 1]);
});

test('waiting writers continue when the queue has room, and when it is closed', async () => {
  const queue = new ResponseQueue();
  const whole = Answer.create({ part: { $case: 'diagnostics', value: Buffer.alloc(0) } });
  queue.put('agents/a', whole, 2 * 1024 * 1024);
  assert.equal(queue.hasRoom, false);
  const waiting = queue.waitForRoom();
  await queue.take();
  await waiting;
  queue.put('agents/a', whole, 2 * 1024 * 1024);
  const other = queue.waitForRoom();
  queue.close();
  await other;
});
