import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { writtenEndBefore } from '../../../../agent/collect/files/written-end.ts';

const GIB = 1024 ** 3;

/** Calls `use` with a sparse file of `size` bytes on a tmpfs, which begins with `text`. */
async function withSparseFile(size: number, text: string, use: (fd: number) => Promise<void>): Promise<void> {
  const folder = mkdtempSync('/dev/shm/logfleet-');
  const fd = openSync(join(folder, 'a.log'), 'w+');
  try {
    writeSync(fd, text);
    ftruncateSync(fd, size);
    await use(fd);
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
}

/** How many bytes this process has read (proc(5), `rchar`). */
function bytesRead(): number {
  return Number(/^rchar: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
}

test('a file with huge holes is not searched for its written end', async () => {
  await withSparseFile(100 * GIB, '', async (fd) => {
    const before = bytesRead();
    assert.equal(await writtenEndBefore(fd, 100 * GIB), 0);
    assert.ok(bytesRead() - before < 1024 * 1024);
  });
  await withSparseFile(100 * GIB, 'one\n', async (fd) => {
    const before = bytesRead();
    assert.equal(await writtenEndBefore(fd, 100 * GIB), undefined);
    assert.ok(bytesRead() - before < 1024 * 1024);
  });
});

test('where the written part of a preallocated file ended before is not searched again', async () => {
  const size = 100 * 1024 * 1024;
  await withSparseFile(size, 'one\n', async (fd) => {
    assert.equal(await writtenEndBefore(fd, size), 4);
    const before = bytesRead();
    assert.equal(await writtenEndBefore(fd, size, 4), 4);
    assert.ok(bytesRead() - before < 1024 * 1024);
    writeSync(fd, 'two\n', 4);
    assert.equal(await writtenEndBefore(fd, size, 4), 8);
  });
});
