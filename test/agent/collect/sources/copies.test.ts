import assert from 'node:assert/strict';
import { copyFileSync, truncateSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { compareHead, readMarker } from '../../../../agent/collect/files/file-head.ts';
import { closeFile, fstat, openToRead } from '../../../../agent/collect/files/file-io.ts';
import { Copies } from '../../../../agent/collect/sources/copies.ts';
import { EMPTY_HEAD, type FileHead, type FileMarker } from '../../../../agent/model/fingerprint.ts';
import { type FoundFile, foundFile } from '../../../../agent/model/found-file.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const LINES = Array.from({ length: 200 }, (_, line) => `line ${line} of the original\n`).join('');

test('a copy waits for its original, also if that is truncated just before they are compared', async (t) => {
  await using dir = await tempDir();
  const [path, copyPath] = [dir.at('a.log'), dir.at('a.log.1')];
  writeFileSync(path, LINES);
  const fd = await openToRead(path, true);
  t.after(() => closeFile(fd));
  const head = (await compareHead(fd, EMPTY_HEAD)) as FileHead;
  const marker = (await readMarker(fd, LINES.length)) as FileMarker;
  const original = { fd, size: LINES.length, file: { fingerprint: { head, markers: [marker] }, isOpen: true } };

  copyFileSync(path, copyPath);
  const copyFd = await openToRead(copyPath, true);
  t.after(() => closeFile(copyFd));
  const copy = { ...(foundFile(copyPath, await fstat(copyFd)) as FoundFile), written: LINES.length };
  assert.equal(await new Copies().holds(copyFd, copy, [original], 0), true);
  truncateSync(path);
  assert.equal(await new Copies().holds(copyFd, copy, [original], 0), true);

  writeFileSync(copyPath, LINES.replaceAll('original', 'other one'));
  assert.equal(await new Copies().holds(copyFd, copy, [original], 0), false);
});
