import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tempDir } from '../../support/temp-dir.ts';
import { lines } from './content.ts';
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
