import { test } from 'node:test';
import fc from 'fast-check';
import type { FileOperation } from '../../support/file-operation.ts';
import { FILE_COUNT, FileWorld } from '../../support/file-world.ts';
import { tempDir } from '../../support/temp-dir.ts';

const RUNS = Number(process.env['LOGFLEET_TEST_RUNS'] ?? 60);

const filesMax = fc.constantFrom(2, 4, 100);
const file = fc.nat(FILE_COUNT - 1);
const lines = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 60 }));
const operation: fc.Arbitrary<FileOperation> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('append' as const), file, lines }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('preallocate' as const),
      file,
      bytes: fc.constantFrom(0, 16, 100, 70_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rename' as const), file, to: file }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), file }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('copytruncate' as const), file, isMatched: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('rewrite' as const), file, lines, sameHead: fc.boolean() }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('scan' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('event' as const), file }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('read' as const), file }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('deliver' as const), file }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('acknowledge' as const), count: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.constantFrom(1, 11, 400) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('restart' as const), isFlushed: fc.boolean(), kept: fc.nat(3) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('absence' as const),
      ...{ file, to: file, lines: fc.nat(3), scans: fc.nat(4), kept: fc.nat(3) },
    }),
  },
);

test('under any file operations and kills, each line that was seen is delivered once, or recorded as lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 100 }), filesMax, async (operations, max) => {
      await using dir = await tempDir();
      const world = await FileWorld.create(dir, max);
      for (const each of operations) await world.run(each);
      await world.judge();
    }),
    { numRuns: RUNS, ...(process.env['LOGFLEET_TEST_SEED'] && { seed: Number(process.env['LOGFLEET_TEST_SEED']) }) },
  );
});
