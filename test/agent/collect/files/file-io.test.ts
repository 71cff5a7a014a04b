import assert from 'node:assert/strict';
import { closeSync, openSync, truncateSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { closeFile, isLocal, openToRead, readAfter } from '../../../../agent/collect/files/file-io.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7 + (at >> 8)) % 251));
const POSITION = 5_000;
const BEFORE = CONTENT.subarray(POSITION - 1024, POSITION);

async function fileWith(t: TestContext, content: Buffer | string): Promise<string> {
  const dir = await tempDir();
  t.after(() => dir[Symbol.asyncDispose]());
  const path = dir.at('a.log');
  writeFileSync(path, content);
  return path;
}

/** Opens a file of which the agent knows that it is local, or does not know it. */
async function openAs(t: TestContext, path: string, isKnownLocal: boolean): Promise<number> {
  const fd = isKnownLocal ? await openToRead(path, true) : openSync(path, 'r');
  t.after(() => (isKnownLocal ? closeFile(fd) : closeSync(fd)));
  assert.equal(isLocal(fd), isKnownLocal);
  return fd;
}

test('an open file is known to be local, whatever is known of its path', async (t) => {
  const fd = await openToRead(await fileWith(t, 'one\n'), false);
  assert.equal(isLocal(fd), true);
  closeFile(fd);
  assert.equal(isLocal(fd), false);
});

test('an open file on a file system of another type is not taken for a local one', async () => {
  const fd = await openToRead('/proc/self/status', false);
  assert.equal(isLocal(fd), false);
  closeFile(fd);
});

for (const isKnownLocal of [true, false]) {
  const kind = isKnownLocal ? 'a local file' : 'a file that may wait for a network';

  test(`a read of ${kind} returns what follows the bytes that it expects`, async (t) => {
    const fd = await openAs(t, await fileWith(t, CONTENT), isKnownLocal);
    for (const length of [1, 64 * 1024, 64 * 1024 + 1, 200_000, 400_000]) {
      const into = Buffer.alloc(length);
      const expected = CONTENT.subarray(POSITION, POSITION + length);
      assert.deepEqual(await readAfter(fd, into, length, POSITION, BEFORE), { bytesRead: expected.length });
      assert.ok(into.subarray(0, expected.length).equals(expected));
    }
  });

  test(`a read of ${kind} finds that other bytes precede it, or fewer`, async (t) => {
    const path = await fileWith(t, CONTENT);
    const fd = await openAs(t, path, isKnownLocal);
    const into = Buffer.alloc(1_000);
    const others = Buffer.from(BEFORE);
    others.writeUInt8(255, 17);
    assert.equal(await readAfter(fd, into, into.length, POSITION, others), undefined);
    truncateSync(path, POSITION - 1);
    assert.equal(await readAfter(fd, into, into.length, POSITION, BEFORE), undefined);
  });
}
