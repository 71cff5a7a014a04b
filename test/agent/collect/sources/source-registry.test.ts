import assert from 'node:assert/strict';
import { closeSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { SourceRegistry } from '../../../../agent/collect/sources/source-registry.ts';
import { openSource } from '../../../support/open-source.ts';
import { tempDir } from '../../../support/temp-dir.ts';

test('a generation is open, known or ended, and never two of these', async () => {
  await using dir = await tempDir();
  writeFileSync(dir.at('a.log'), 'one\n');
  const source = openSource(dir.at('a.log'));
  const registry = new SourceRegistry();
  registry.open(source);
  assert.throws(() => registry.open(source), /opened twice/);
  assert.throws(() => registry.addKnown(source.file.checkpoint), /open and known/);
  assert.throws(() => registry.close(source), /before it is closed/);
  source.apply('released');
  assert.throws(() => registry.end(source, { reason: 'truncated', certain: true }), /has ended/);
  registry.close(source);
  registry.end(source, { reason: 'truncated', certain: true });
  assert.deepEqual([[...registry], registry.known, registry.ended], [[], [], [source]]);
  closeSync(source.file.detach());
});

test('an open source is found by its file and by the path where it was last seen', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, 'one\n');
  const source = openSource(file);
  const registry = new SourceRegistry();
  registry.open(source);
  assert.deepEqual([registry.byFile(source.file), registry.byPath(file)], [source, source]);
  assert.equal(registry.foundAt(source, file), false);
  assert.equal(registry.foundAt(source, '/b.log'), true);
  source.file.rename('/b.log');
  assert.deepEqual([registry.byPath(file), registry.byPath('/b.log')], [undefined, source]);
  source.apply('released');
  registry.close(source);
  assert.deepEqual([registry.byFile(source.file), registry.byPath('/b.log')], [undefined, undefined]);
  closeSync(source.file.detach());
});

test('a renamed source is found by its last two paths, and by none once it is closed', async () => {
  await using dir = await tempDir();
  writeFileSync(dir.at('a.log'), 'one\n');
  const source = openSource(dir.at('a.log'));
  const registry = new SourceRegistry();
  registry.open(source);
  const paths = [source.path, '/b.log', '/c.log'];
  for (const path of paths.slice(1)) {
    registry.foundAt(source, path);
    source.file.rename(path);
  }
  const found = () => paths.map((path) => registry.nowOrBeforeAt(path));
  assert.deepEqual(found(), [[], [source], [source]]);
  source.apply('released');
  registry.close(source);
  assert.deepEqual(found(), [[], [], []]);
  closeSync(source.file.detach());
});
