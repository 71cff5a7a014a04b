import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { SourceFixture } from '../../../support/source-fixture.ts';
import { tempDir } from '../../../support/temp-dir.ts';

test('an open file whose fstat fails does not keep others from being opened', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir, { filesMax: 2 });
  for (const name of ['a.log', 'b.log']) await writeFile(dir.at(name), 'one\n');
  await on.find(dir.at('*.log'));
  await on.deliver();
  // Its fstat fails, as that of a file whose server has forgotten it.
  const lost = on.at(dir.at('a.log'));
  const fd = lost.file.detach();
  lost.file.attach(1_000_000);
  await writeFile(dir.at('c.log'), 'new\n');
  for (let scan = 0; scan < 2; scan++) {
    on.nowMs += 60_000;
    await on.find(dir.at('*.log'));
  }
  await on.deliverOf(on.at(dir.at('c.log')));
  assert.deepEqual(on.lines.get(on.at(dir.at('c.log')).generation), ['new']);
  lost.file.detach();
  lost.file.attach(fd);
  on.close();
});
