import assert from 'node:assert/strict';
import type { BigIntStats } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { newCheckpoint } from '../../../agent/model/checkpoint.ts';
import { settledCtimeNs } from '../../../agent/model/fingerprint.ts';
import { birthMsOf, fileKey, foundFile, keyOf } from '../../../agent/model/found-file.ts';
import { CheckpointStore } from '../../../agent/state/checkpoint-store.ts';
import { StateDatabase } from '../../../agent/state/state-database.ts';
import { PreviewFile } from '../../../proto/gen/logfleet/v1/ask.ts';
import { FileStatus } from '../../../proto/gen/logfleet/v1/fleet.ts';
import { tempDir } from '../../support/temp-dir.ts';

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
/** statx(2) has seconds as int64, so Node's nanoseconds may have more bits. */
const timeNs = fc.oneof(int64, fc.bigInt({ min: -(2n ** 93n), max: 2n ** 93n }));
const stats: fc.Arbitrary<BigIntStats> = fc
  .record({
    // Node returns the 64 bits of an inode number as a signed number.
    ...{ dev: fc.bigInt({ min: 0n, max: 2n ** 32n }), ino: int64, size: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }) },
    ...{ nlink: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), mtimeNs: timeNs, ctimeNs: timeNs, birthtimeNs: timeNs },
  })
  .map((given) => ({ ...given, mtimeMs: given.mtimeNs / 1_000_000n, isFile: () => true }) as BigIntStats);

test('a file with any times, size and inode number can be stored and reported, and is known again after a restart', async () => {
  await using dir = await tempDir();
  let run = 0;
  fc.assert(
    fc.property(stats, (given) => {
      const file = foundFile('/a.log', given);
      assert.ok(file);
      const { path, device, inode, changedMs } = file;
      const size = BigInt(file.size);
      const reported = FileStatus.create({ path, device, inode, size, position: size, lagBytes: size });
      assert.deepEqual(FileStatus.decode(FileStatus.encode(reported).finish()), reported);
      const shown = PreviewFile.create({ path, size, changeTime: new Date(changedMs) });
      assert.deepEqual(PreviewFile.decode(PreviewFile.encode(shown).finish()), shown);
      assert.ok(JSON.stringify([FileStatus.toJSON(reported), PreviewFile.toJSON(shown)]));

      const state = StateDatabase.open(dir.at(String(++run)));
      const store = new CheckpointStore(state);
      const ctimeNs = settledCtimeNs(file.ctimeNs, Date.now());
      store.put({ ...newCheckpoint('e', 'g', file), size: file.size, position: file.size, ctimeNs });
      state.flush(1);
      const [known] = new CheckpointStore(state).load('e');
      state.close();
      assert.ok(known);
      assert.equal(fileKey(known), keyOf(given));
      assert.deepEqual([known.birthMs, known.size, known.ctimeNs], [birthMsOf(given), file.size, ctimeNs]);
    }),
    { numRuns: 60 },
  );
});

test('a ctime that no clock is set to never proves that a file is unchanged', () => {
  const given = fc.sample(stats, 1)[0] as BigIntStats;
  for (const ctimeNs of [-(2n ** 70n), -1n, 0n, 2n ** 63n, 2n ** 80n]) {
    const file = foundFile('/a.log', Object.assign(given, { ctimeNs }));
    assert.notEqual(settledCtimeNs(file?.ctimeNs ?? 0n, Date.now()), file?.ctimeNs, String(ctimeNs));
  }
});
