import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../../support/random.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { lines } from './content.ts';
import { applyToFiles } from './file-operations.ts';
import { selectionOf } from './plan.ts';
import { World } from './world.ts';

test('a file that changed globs or exclude leave out is not matched, and not near as one that was moved is', async () => {
  await using dir = await tempDir('world');
  const world = new World(dir.path, 'narrow');
  const [app, db] = ['in/app.log', 'in/db.log'].map((path) => world.write(path, (life) => lines(life, 1)));
  const isOn = (periods: readonly { toMs: number }[] = []) => periods.at(-1)?.toMs === Number.POSITIVE_INFINITY;
  const matched = () => [isOn(app?.matched), isOn(db?.matched)];
  const choose = (kind: 'entry-globs' | 'entry-exclude', choice: number) =>
    world.select({ ...world.selection, ...selectionOf(world.layout, kind, choice) });
  assert.deepEqual(matched(), [true, true]);
  choose('entry-globs', 1);
  assert.deepEqual([...matched(), isOn(db?.near)], [true, false, false]);
  choose('entry-exclude', 1);
  assert.deepEqual([...matched(), isOn(app?.near)], [false, false, false]);
  choose('entry-globs', 3);
  choose('entry-exclude', 0);
  assert.deepEqual(matched(), [true, true]);
  const other = world.write('out/x.log', (life) => lines(life, 1));
  assert.ok(isOn(other.matched));
});

test('after any writes, each file has the bytes that its writer knows, and NULs behind them at most', async () => {
  const kinds = [
    'append',
    'overwrite',
    'preallocate-write',
    'preallocate-cut',
    'rewrite-same-head',
    'truncate-hole',
  ] as const;
  for (let seed = 1; seed <= 40; seed++) {
    await using dir = await tempDir('world');
    const world = new World(dir.path, 'direct');
    const { between, pick } = seeded(seed);
    for (const kind of ['preallocate' as const, ...Array.from({ length: 6 }, () => pick(kinds))]) {
      const [target, choice, amount] = [between(0, 1_000), between(0, 1_000), between(1, 20)];
      applyToFiles(world, kind, { pauseMs: 0, kind, target, choice, amount });
    }
    for (const { path, inode } of world.textFiles) {
      const life = world.lifeAt(inode);
      const bytes = world.read(path);
      assert.ok(life && bytes.subarray(0, life.size).equals(life.bytes), `seed ${seed}: ${path}`);
      assert.ok(bytes.subarray(life.size).equals(Buffer.alloc(bytes.length - life.size)), `seed ${seed}: ${path}`);
    }
    world.close();
  }
});
