import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { RateLimit, RateLimits, type Reader } from '../../../../agent/collect/read/rate-limit.ts';
import { testFormat } from '../../../support/formats.ts';
import { HandClock } from '../../../support/hand-clock.ts';
import { KilledGeneration } from '../../../support/killed-generation.ts';
import { tempDir } from '../../../support/temp-dir.ts';

/** Reads lines of one length for as long as it may. */
class Reading implements Reader {
  readonly #pace: Pick<RateLimit, 'room' | 'consumed'>;
  readonly #line: number;
  bytes = 0;
  turns = 0;

  constructor(pace: Pick<RateLimit, 'room' | 'consumed'>, line: number) {
    this.#pace = pace;
    this.#line = line;
  }

  wake(): boolean {
    this.turns++;
    for (let room = this.#pace.room(this); room > 0 && Number.isFinite(room); room = this.#pace.room(this)) {
      const taken = Math.max(1, Math.floor(room / this.#line)) * this.#line;
      this.bytes += taken;
      this.#pace.consumed(taken);
    }
    return true;
  }
}

test('reading keeps to the limit over time, whatever the length of lines, and is not bursty', () => {
  for (const [perSecond, line] of [
    [1_024, 100],
    [10_240, 190],
    [10_240, 300_000],
    [50 * 1024 * 1024, 190],
  ] as const) {
    const clock = new HandClock();
    const limit = new RateLimit(clock);
    limit.set(perSecond);
    const reading = new Reading(limit, line);
    reading.wake();
    assert.equal(reading.bytes, 0);
    let former = 0;
    for (let second = 1; second <= 600; second++) {
      clock.runTo(second * 1_000);
      assert.ok(reading.bytes - former <= perSecond * 1.5 + line, `${reading.bytes - former} of ${perSecond}`);
      former = reading.bytes;
    }
    const wanted = perSecond * 600;
    assert.ok(reading.bytes > wanted / 1.5 && reading.bytes < wanted * 1.5 + line, `${reading.bytes} of ${wanted}`);
    // It is woken when there is something to read, not repeatedly.
    assert.ok(reading.turns <= 600 * 11, `${reading.turns} turns`);
  }
});

test('readers take turns, and one that reads nothing delays no other', () => {
  const clock = new HandClock();
  const limit = new RateLimit(clock);
  limit.set(100_000);
  // Readers of an entry that was paused since, and one whose Kafka is away.
  for (let paused = 0; paused < 10_000; paused++) limit.room({ wake: () => false });
  limit.room({ wake: () => true });
  const readers = Array.from({ length: 200 }, () => new Reading(limit, 1_000));
  for (const reader of readers) reader.wake();
  clock.runTo(60_000);
  const shares = readers.map(({ bytes }) => bytes);
  assert.ok(Math.min(...shares) > 0);
  assert.ok(Math.max(...shares) <= 3 * Math.min(...shares), `${Math.min(...shares)} to ${Math.max(...shares)}`);
});

test('a limit is changed and lifted while readers wait, and earlier debt delays nobody', () => {
  const clock = new HandClock();
  const limit = new RateLimit(clock);
  limit.set(1_024);
  const reading = new Reading(limit, 900_000);
  reading.wake();
  clock.runTo(1_000);
  assert.equal(reading.bytes, 900_000);
  assert.ok(limit.isWaiting(reading));
  clock.runTo(100_000);
  assert.equal(reading.bytes, 900_000);
  limit.set(2_048);
  clock.runTo(101_000);
  assert.equal(reading.bytes, 1_800_000);
  limit.set(0);
  assert.ok(!limit.isWaiting(reading));
  assert.equal(limit.room(reading), Number.POSITIVE_INFINITY);
  assert.equal(clock.timers, 0);
});

test('unused allowance is not saved up', () => {
  const clock = new HandClock();
  const limit = new RateLimit(clock);
  limit.set(10_000);
  clock.runTo(100_000);
  assert.ok(limit.room({ wake: () => true }) <= 10_000);
});

test("an entry keeps to its own limit and to the agent's, which all entries share", () => {
  const clock = new HandClock();
  const shared = new RateLimit(clock);
  const [slow, fast] = [new RateLimits(new RateLimit(clock), shared), new RateLimits(new RateLimit(clock), shared)];
  shared.set(100_000);
  slow.entry.set(10_000);
  const readings = [new Reading(slow, 100), new Reading(fast, 100)] as const;
  for (const reading of readings) reading.wake();
  clock.runTo(100_000);
  const [slowly, quickly] = readings.map(({ bytes }) => bytes / 100) as [number, number];
  assert.ok(slowly < 15_000 && slowly > 5_000, `${slowly}`);
  assert.ok(slowly + quickly < 150_000 && slowly + quickly > 66_000, `${slowly} and ${quickly}`);
});

test('replays keep to the limit, too, and first-time reads get an equal share', async () => {
  await using dir = await tempDir();
  const [file, clock] = [dir.at('a.log'), new HandClock()];
  const bytes = 3_000_000;
  writeFileSync(file, `${'x'.repeat(99)}\n`.repeat(bytes / 100));
  const limit = new RateLimit(clock);
  using life = new KilledGeneration(dir, file, testFormat({}), new RateLimits(limit, undefined));
  const readOn = async () => {
    while (await life.read(4_000_000));
    for (const segment of life.flying) life.deliver(segment);
    return life.seen.filter(({ replay }) => replay !== undefined).length * 100;
  };
  assert.equal(await readOn(), 0);
  assert.equal(life.source.position, bytes);
  limit.set(50_000);
  await life.rewind(0);
  for (; clock.ms < 20_000; clock.runTo(clock.ms + 1_000)) {
    const allowed = 25_000 + clock.ms * 50;
    const sent = await readOn();
    assert.ok(sent <= allowed, `${sent} bytes after ${clock.ms} ms`);
  }
  appendFileSync(file, `${'y'.repeat(99)}\n`.repeat(bytes / 100));
  await life.source.observe(0);
  const before = await readOn();
  for (const untilMs = clock.ms + 10_000; clock.ms < untilMs; clock.runTo(clock.ms + 1_000)) await readOn();
  const again = (await readOn()) - before;
  const fresh = life.source.position - bytes;
  assert.ok(fresh > again / 3 && again > fresh / 3, `${fresh} new bytes, ${again} once more`);
  while (life.unfinished > 0 && clock.ms < 400_000) {
    clock.runTo(clock.ms + 1_000);
    await readOn();
  }
  assert.equal(await readOn(), bytes);
});
