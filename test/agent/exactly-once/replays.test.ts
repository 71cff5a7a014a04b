import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { cycle, entries, factsOf, files, forms, MARKS } from '../../support/any-files.ts';
import { testFormat } from '../../support/formats.ts';
import { KilledGeneration, type Range, type Seen } from '../../support/killed-generation.ts';
import { expectedRecords } from '../../support/line-oracle.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** More than any of these files has. */
const TURNS_MAX = 2_000;

const STEPS = ['grow', 'grow', 'read', 'read', 'read', 'deliver', 'deliver', 'give back', 'write', 'rewind', 'kill'];
const steps = fc.array(
  fc.record({
    what: fc.constantFrom(...STEPS),
    number: fc.nat(200),
  }),
  { minLength: 30, maxLength: 120, size: 'max' },
);

async function live(life: KilledGeneration, file: string, content: Buffer, todo: { what: string; number: number }[]) {
  let written = 0;
  const grow = (bytes: number) => {
    appendFileSync(file, content.subarray(written, written + bytes));
    written = Math.min(content.length, written + bytes);
  };
  for (const { what, number } of todo) {
    const one = life.flying[number % Math.max(1, life.flying.length)];
    if (what === 'grow') grow(number);
    else if (what === 'read') await life.read(1 + number * 4);
    else if (what === 'rewind') await life.rewind(number * 2);
    else if (what === 'kill') life.kill({ written: number % 2 === 0, isOpen: (at) => (number + at) % 3 === 0 });
    else if (what === 'write') life.write();
    else if (one && (what === 'deliver' || life.isThere(one))) life.deliver(one);
    else if (one) life.giveBack(one);
  }
  grow(content.length);
  await life.source.observe(0);
  life.source.apply('quiet');
  const batch = cycle([1, 40, 900]);
  for (let quiet = 0, turns = 0; quiet < 3 || life.flying.length > 0; turns++) {
    assert.ok(turns < TURNS_MAX, `no end of reading ${JSON.stringify(life.replays)} at ${life.source.position}`);
    quiet = (await life.read(batch())) ? 0 : quiet + 1;
    for (const segment of life.flying) life.deliver(segment);
  }
}

const plainOf = (records: readonly Seen[]) =>
  records
    .map(({ value, start, end, flags }) => ({ value, start, end, flags }))
    .sort((a, b) => a.start - b.start || a.end - b.end);

test('for any file, rules, batches and kills: first-time records ignore replays, and each replay is exact', async () => {
  await using dir = await tempDir();
  let count = 0;
  await fc.assert(
    fc.asyncProperty(
      files,
      forms,
      entries.multiline,
      entries.filter,
      steps,
      async ({ encoding, characters }, form, multiline, filter, todo) => {
        await using own = await tempDir();
        const file = dir.at(`${count++}.log`);
        const mark = MARKS[encoding] ?? Buffer.alloc(0);
        const content = Buffer.concat([mark, ...characters.map(([, bytes]) => bytes)]);
        const facts = { encoding, ...factsOf({ form, multiline, filter }) };
        writeFileSync(file, '');
        using life = new KilledGeneration(own, file, testFormat(facts));
        await live(life, file, content, todo);
        const first = plainOf(life.seen.filter(({ replay }) => replay === undefined));
        const base = { host: 'h', entry: 'e', headers: 'standard', patternBytes: form.maxLineBytes - 4 } as const;
        const { records, cut } = expectedRecords(characters, { ...base, ...facts }, mark.length);
        assert.deepEqual(first, records);
        life.write();
        assert.equal(life.cut, cut);
        assert.equal(life.unfinished, 0);
        for (const range of life.replays) assertOnceMore(life, range, first, multiline !== undefined);
      },
    ),
    { numRuns: 300 },
  );
});

function assertOnceMore(
  life: KilledGeneration,
  { id, start, end }: Range,
  first: readonly object[],
  grouped: boolean,
): void {
  const again = plainOf(life.seen.filter(({ replay }) => replay === id));
  let at = start;
  for (const record of again) {
    assert.equal(record.start, at, `replay ${id}: expected a range from ${at}`);
    assert.ok(record.end <= end, `replay ${id}: ${record.start}-${record.end} goes beyond ${end}`);
    assert.match(record.flags, /(^|,)replay$/);
    at = record.end;
  }
  // If it begins inside a multiline record, its records differ.
  if (grouped) return;
  const wanted = (first as Seen[]).filter((record) => record.end > start && record.end <= end);
  const unflagged = again.map(({ flags, ...record }) => ({ ...record, flags: flags.replace(/,?replay$/, '') }));
  assert.deepEqual(
    unflagged,
    wanted.map((record, index) => (index === 0 ? { ...record, start } : record)),
  );
}
