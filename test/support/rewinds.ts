import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { Rewind, type RewindStart } from '../../agent/collect/rewind.ts';
import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { withEntryDefaults } from '../../proto/rules/entry-rules.ts';
import { begun, HOUR_MS, type SourceFixture } from './source-fixture.ts';
import type { TempDir } from './temp-dir.ts';

export const entry = withEntryDefaults(Entry.create({ name: 'entries/e', uid: 'e' }));
export const { signal } = new AbortController();

export function rewindOf(on: SourceFixture, to: RewindStart, id = 'r', paths: string[] = []): Rewind {
  return new Rewind({ entry, sources: on.set }, { store: on.store, host: 'h', request: { id, start: to, paths } });
}

/** Rewinds and returns each range that is sent again, or the error. */
export async function rewound(on: SourceFixture, to: RewindStart, id = 'r', paths: string[] = []) {
  const rewind = rewindOf(on, to, id, paths);
  await rewind.plan(false, signal);
  return rewind.begin(() => '', on.wallMs).map(({ start, end, error }) => (error === '' ? [start, end] : error));
}

export const beginning: RewindStart = { kind: 'beginning' };

/** A file that was rotated and reported as sealed; it is closed. */
export async function sealedFile(dir: TempDir): Promise<SourceFixture> {
  const { on, file } = await begun(dir, 'one\ntwo\nlast');
  await rename(file, dir.at('a.log.1'));
  writeFileSync(file, 'next\n');
  for (let scan = 0; scan < 4; scan++) {
    await on.find(dir.at('a.log*'));
    await on.deliver();
    on.nowMs += HOUR_MS;
  }
  assert.equal(on.sealed.length, 1);
  assert.equal(on.sources.length, 1);
  return on;
}
