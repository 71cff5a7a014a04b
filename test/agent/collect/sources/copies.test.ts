import assert from 'node:assert/strict';
import { copyFileSync, truncateSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { compareHead, readMarker } from '../../../../agent/collect/files/file-head.ts';
import { closeFile, fstat, openToRead } from '../../../../agent/collect/files/file-io.ts';
import { withWritten } from '../../../../agent/collect/files/written-end.ts';
import { Copies } from '../../../../agent/collect/sources/copies.ts';
import { EMPTY_HEAD, type FileHead, type FileMarker } from '../../../../agent/model/fingerprint.ts';
import { type FoundFile, foundFile, type OpenFile } from '../../../../agent/model/found-file.ts';
import { begun } from '../../../support/source-fixture.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const LINES = Array.from({ length: 200 }, (_, line) => `line ${line} of the original`);
const CONTENT = `${LINES.join('\n')}\n`;

async function opened(t: TestContext, path: string): Promise<{ fd: number; file: OpenFile }> {
  const fd = await openToRead(path, true);
  t.after(() => closeFile(fd));
  return { fd, file: await withWritten(fd, foundFile(path, await fstat(fd)) as FoundFile) };
}

/** An open file as it was observed just now. */
async function observed(t: TestContext, path: string) {
  const { fd, file } = await opened(t, path);
  const head = (await compareHead(fd, EMPTY_HEAD)) as FileHead;
  const marker = (await readMarker(fd, file.size)) as FileMarker;
  return { fd, size: file.size, file: { fingerprint: { head, markers: [marker] }, isOpen: true } };
}

test('a copy waits for its original, also if that was truncated since it was observed', async (t) => {
  await using dir = await tempDir();
  writeFileSync(dir.at('a.log'), CONTENT);
  const original = await observed(t, dir.at('a.log'));
  copyFileSync(dir.at('a.log'), dir.at('a.log.1'));
  const { fd, file } = await opened(t, dir.at('a.log.1'));
  assert.equal(await new Copies().holds(fd, file, [original], 0), true);
  truncateSync(dir.at('a.log'));
  assert.equal(await new Copies().holds(fd, file, [original], 0), true);
});

test('a file that has other bytes than an open one, or more, does not wait', async (t) => {
  await using dir = await tempDir();
  writeFileSync(dir.at('a.log'), CONTENT);
  const original = await observed(t, dir.at('a.log'));
  for (const content of [CONTENT.replaceAll('original', 'other one'), `${CONTENT}and more\n`]) {
    writeFileSync(dir.at('a.log.1'), content);
    const { fd, file } = await opened(t, dir.at('a.log.1'));
    assert.equal(await new Copies().holds(fd, file, [original], 0), false);
  }
});

test('a generation continues in a copy that was empty when it was opened', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, CONTENT);
  writeFileSync(`${file}.1`, '');
  // The agent reads the clock when it observes the original.
  Object.defineProperty(on, 'nowMs', {
    get: () => {
      if (on.sources.length > 0) {
        copyFileSync(file, `${file}.1`);
        truncateSync(file);
      }
      Object.defineProperty(on, 'nowMs', { value: 0, writable: true });
      return 0;
    },
  });
  await on.fileEvent(`${file}.1`);
  await on.scan([file, `${file}.1`]);
  await on.deliver();
  assert.deepEqual([[...on.lines.values()], on.losses], [[LINES], []]);
  on.close();
});
