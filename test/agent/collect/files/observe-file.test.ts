import assert from 'node:assert/strict';
import { appendFileSync, closeSync, fstatSync } from 'node:fs';
import { test } from 'node:test';
import type { Route } from '../../../../agent/produce/route.ts';
import { testFormat } from '../../../support/formats.ts';
import { openSource } from '../../../support/open-source.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { testBench } from '../../../support/test-bench.ts';

const LOOKS = 300;

// Seen in CI: an observation took the file's size, the file grew, and the reader passed that size.
// Then the observation took the file for truncated, and all of it was sent again.
test('a file that grows and is read during an observation is not taken for a truncated one', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  appendFileSync(file, '');
  const source = openSource(file, { size: 0 });
  const nowhere = { topic: 't', partition: 0, wake: () => {} } as unknown as Route;
  source.assign(nowhere, () => testFormat());
  const bench = testBench();
  for (let look = 0; look < LOOKS; look++) {
    const looked = source.observe(0);
    appendFileSync(file, `line ${look}\n`);
    bench.records.reset();
    const filled = await source.fill(bench);
    if (filled.segment) source.acknowledged(filled.segment);
    assert.notEqual(await looked, 'truncated', `look ${look}`);
  }
  assert.equal(source.position, fstatSync(source.fd).size);
  closeSync(source.fd);
});
