import assert from 'node:assert/strict';
import { appendFileSync, closeSync, fstatSync, openSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { lineStartAt } from '../../../agent/collect/line-starts.ts';
import { Source } from '../../../agent/collect/source.ts';
import type { LineFormat } from '../../../agent/deliver/line-format.ts';
import type { Route, Segment } from '../../../agent/deliver/route.ts';
import { CheckpointStore, newCheckpoint } from '../../../agent/state/checkpoint-store.ts';
import { StateDatabase } from '../../../agent/state/state-database.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { cycle, entries, factsOf, files, forms, MARKS } from '../../support/any-files.ts';
import { type DecodedRecord, decodeRecords } from '../../support/decode-records.ts';
import { testFormat } from '../../support/formats.ts';
import { type Expected, expectedRecords } from '../../support/line-oracle.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';
import { testBench } from '../../support/test-bench.ts';

const nowhere = { producer: { at: { topic: 't', partition: 0 } }, wake: () => {} } as unknown as Route;
const bench = testBench();

/** More than any of these files needs. */
const TURNS_MAX = 2_000;

interface Seen extends Expected {
  replay: string | undefined;
}

interface Range {
  id: string;
  start: number;
  end: number;
}

/** One generation with its state, over processes that are killed; what would be Kafka has a batch when it is told to be delivered. */
class Life {
  readonly #dir: TempDir;
  readonly #file: string;
  readonly #format: LineFormat;
  #state!: StateDatabase;
  #store!: CheckpointStore;
  #fd = -1;
  source!: Source;
  flying: Segment[] = [];
  readonly #records = new WeakMap<object, DecodedRecord[]>();
  readonly seen: Seen[] = [];
  readonly replays: Range[] = [];

  constructor(dir: TempDir, file: string, format: LineFormat) {
    [this.#dir, this.#file, this.#format] = [dir, file, format];
    this.#begin();
  }

  /** The next process inherits what is under way: each as `isOpen` has it, still open, or returned. */
  kill(isOpen: (at: number) => boolean): void {
    this.#state.flush(1);
    this.#state.close();
    closeSync(this.#fd);
    const former = this.flying;
    this.flying = former.filter((_, at) => isOpen(at));
    this.#begin(
      this.flying,
      former.filter((segment) => !this.flying.includes(segment)),
    );
  }

  #begin(open: Segment[] = [], returned: Segment[] = []): void {
    this.#state = StateDatabase.open(this.#dir.at('state'));
    this.#store = new CheckpointStore(this.#state);
    this.#fd = openSync(this.#file, 'r');
    const { dev: device, ino: inode, size } = fstatSync(this.#fd, { bigint: true });
    const made = newCheckpoint('e', '00ff', { device, inode, path: this.#file, bornMs: 0 });
    const checkpoint = this.#store.load('e')[0] ?? made;
    const of = (replay: string | undefined) => ({
      open: open.filter((segment) => segment.replay === replay),
      returned: returned.filter((segment) => segment.replay === replay),
      delivered: [],
    });
    const onProgress = (source: Source, { replay }: { replay?: string | undefined }) => {
      if (replay === undefined) this.#store.put(source.checkpoint);
    };
    const events = { onProgress, onStateChange: () => {} };
    this.source = new Source(this.#fd, checkpoint, of(undefined), Number(size), events, systemClock);
    const { replays } = this.#store;
    for (const replay of replays.of('00ff')) this.source.replay(replay, replays, of(replay.id));
    this.source.assign(nowhere, () => this.#format);
  }

  /** One turn, into a batch of its own; whether there may be more. */
  async read(batchBytes: number): Promise<boolean> {
    bench.records.reset(batchBytes);
    const { segment, more } = await this.source.fill(bench);
    assert.equal(this.source.errors.last, '');
    if (!segment) return more;
    this.#records.set(segment, decodeRecords(Buffer.from(bench.records.view()), segment.lines));
    this.flying.push(segment);
    return true;
  }

  deliver(segment: Segment): void {
    this.flying = this.flying.filter((other) => other !== segment);
    for (const { value, headers } of this.#records.get(segment) ?? []) {
      const [start, end] = (headers['logfleet.range'] as string).split('-').map(Number) as [number, number];
      const flags = headers['logfleet.flags'] ?? '';
      this.seen.push({ value: value.toString(), start, end, flags, replay: headers['logfleet.replay'] });
    }
    this.source.delivered(segment);
  }

  giveBack(segment: Segment): void {
    this.flying = this.flying.filter((other) => other !== segment);
    this.source.returned(segment);
  }

  async rewind(wanted: number): Promise<void> {
    const { position: end, place: endPlace } = this.source.checkpoint;
    const start = await lineStartAt(this.#fd, Math.min(wanted, end), this.#format);
    if (start === undefined || start >= end) return;
    const id = `r${this.replays.length}`;
    this.replays.push({ id, start, end });
    const range = { id, entryUid: 'e', generation: '00ff', start, end, endPlace, marked: true };
    this.#store.replays.begin({ entryUid: 'e', id, answer: '' }, [range], 1);
    const replay = this.#store.replays.of('00ff').at(-1);
    assert.ok(replay);
    this.source.replay(replay, this.#store.replays, { open: [], returned: [] });
  }

  get unfinished(): number {
    return this.#store.replays.of('00ff').length;
  }

  [Symbol.dispose](): void {
    this.#state.close();
    closeSync(this.#fd);
  }
}

const steps = fc.array(
  fc.record({
    what: fc.constantFrom('grow', 'grow', 'read', 'read', 'read', 'deliver', 'deliver', 'give back', 'rewind', 'kill'),
    number: fc.nat(200),
  }),
  { minLength: 30, maxLength: 120, size: 'max' },
);

async function live(life: Life, file: string, content: Buffer, todo: { what: string; number: number }[]) {
  let written = 0;
  const grow = (bytes: number) => {
    appendFileSync(file, content.subarray(written, written + bytes));
    written = Math.min(content.length, written + bytes);
  };
  // What is given back before a kill is a gap for the next process: where it ends the file must tell then, as far as it can.
  const lastKill = todo.findLastIndex(({ what }) => what === 'kill');
  for (const [index, { what: wanted, number }] of todo.entries()) {
    const what = wanted === 'give back' && index < lastKill ? 'deliver' : wanted;
    const one = life.flying[number % Math.max(1, life.flying.length)];
    if (what === 'grow') grow(number);
    else if (what === 'read') await life.read(1 + number * 4);
    else if (what === 'rewind') await life.rewind(number * 2);
    else if (what === 'kill') life.kill((at) => index < lastKill || (number + at) % 3 === 0);
    else if (one && what === 'deliver') life.deliver(one);
    else if (one) life.giveBack(one);
  }
  grow(content.length);
  [life.source.size, life.source.sealed] = [content.length, true];
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

test('whatever the file, the rules, the batches and the kills: first lines are as if there were no replay, and each replay has its lines once more, each once', async () => {
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
        using life = new Life(own, file, testFormat(facts));
        await live(life, file, content, todo);
        const first = plainOf(life.seen.filter(({ replay }) => replay === undefined));
        const base = { host: 'h', entry: 'e', headers: 'standard', patternBytes: form.maxLineBytes - 4 } as const;
        const { records } = expectedRecords(characters, { ...base, ...facts }, mark.length);
        assert.deepEqual(first, records);
        assert.equal(life.unfinished, 0);
        for (const range of life.replays) assertOnceMore(life, range, first, multiline !== undefined);
      },
    ),
    { numRuns: 5000, endOnFailure: true, interruptAfterTimeLimit: 120_000 },
  );
});

function assertOnceMore(life: Life, { id, start, end }: Range, first: readonly object[], grouped: boolean): void {
  const again = plainOf(life.seen.filter(({ replay }) => replay === id));
  let at = start;
  for (const record of again) {
    assert.equal(record.start, at, `replay ${id}: expected a range from ${at}`);
    assert.ok(record.end <= end, `replay ${id}: ${record.start}-${record.end} goes beyond ${end}`);
    assert.match(record.flags, /(^|,)replay$/);
    at = record.end;
  }
  // Where it begins in the middle of a multiline record, there are others.
  if (grouped) return;
  const wanted = (first as Seen[]).filter((record) => record.end > start && record.end <= end);
  const unflagged = again.map(({ flags, ...record }) => ({ ...record, flags: flags.replace(/,?replay$/, '') }));
  assert.deepEqual(
    unflagged,
    wanted.map((record, index) => (index === 0 ? { ...record, start } : record)),
  );
}
