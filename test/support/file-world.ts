import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import { copyFile, mkdir, open, rename, truncate, unlink, writeFile } from 'node:fs/promises';
import type { Source } from '../../agent/collect/sources/source.ts';
import type { Loss } from '../../agent/model/fact.ts';
import type { OpenIntent } from '../../agent/model/segment.ts';
import type { Segment } from '../../agent/produce/route-source.ts';
import type { FileOperation } from './file-operation.ts';
import { SourceFixture } from './source-fixture.ts';
import type { TempDir } from './temp-dir.ts';

const FAR = 'far/off/a.log';
/** The last three are outside the globs, and the last one is where no file is searched. */
const FILES = ['a.log', 'a.log.1', 'a.log.2', 'b.log', 'b.log.1', 'old/a.log', 'away/a.log', FAR] as const;
const MATCHED = 5;
export const FILE_COUNT = FILES.length;
const SETTLE_SCANS = 12;

/** One content of one file, from its creation or truncation to its end. */
interface Life {
  lines: string[];
  /** How many lines lay at a path of the entry at a scan or a file event. */
  seen: number;
  /** The same, at the last scan or event of which the state on the disk knows. */
  stored: number;
}

interface Sent {
  segment: Segment;
  lines: string[];
}

/**
 * Files under operations, and the truth about them. It takes Kafka's part, too: a segment is in
 * Kafka when it is acknowledged, or when the process was killed before it knew.
 */
export class FileWorld {
  readonly #dir: TempDir;
  readonly #filesMax: number;
  readonly #lives: Life[] = [];
  readonly #at = new Map<string, Life>();
  #on: SourceFixture;
  #sent: Sent[] = [];
  /** Acknowledged since the last flush: their intents are still on the disk. */
  #noted: Sent[] = [];
  readonly #delivered: string[] = [];
  readonly #losses: Loss[] = [];
  #lineCount = 0;
  /** How many files the agent had opened at the last flush. */
  #opened = 0;

  /** `filesMax`: how many files the agent may open at once. */
  static async create(dir: TempDir, filesMax: number): Promise<FileWorld> {
    for (const folder of ['old', 'away', 'far/off']) await mkdir(dir.at(folder), { recursive: true });
    return new FileWorld(dir, filesMax);
  }

  private constructor(dir: TempDir, filesMax: number) {
    this.#dir = dir;
    this.#filesMax = filesMax;
    this.#on = new SourceFixture(dir, { filesMax });
  }

  async run(operation: FileOperation): Promise<void> {
    const name = FILES[('file' in operation ? operation.file : 0) % FILE_COUNT] as string;
    switch (operation.kind) {
      case 'append':
        return this.#append(name, operation.lines);
      case 'preallocate':
        return this.#preallocate(name, operation.bytes);
      case 'rename':
        return this.#rename(name, FILES[operation.to % FILE_COUNT] as string);
      case 'delete':
        return this.#delete(name);
      case 'copytruncate':
        return this.#copytruncate(name, operation.isMatched ? `${name}.1` : 'away/a.log');
      case 'rewrite':
        return this.#rewrite(name, operation.lines, operation.sameHead);
      case 'scan':
        return this.#scan();
      case 'event':
        return this.#event(name);
      case 'read':
        return this.#read(name);
      case 'deliver':
        await this.#read(name);
        return this.#acknowledge(this.#sent.length);
      case 'acknowledge':
        return this.#acknowledge(operation.count);
      case 'flush':
        return this.#flush();
      case 'wait':
        this.#on.nowMs += operation.seconds * 1_000;
        return;
      case 'restart':
        return this.#restart(operation.isFlushed, operation.kept);
      case 'absence':
        return this.#absence(name, FILES[operation.to % FILE_COUNT] as string, operation);
    }
  }

  /** Lets the agent read what is left, and judges what it sent. */
  async judge(): Promise<void> {
    for (let scan = 0; scan < SETTLE_SCANS; scan++) {
      await this.#acknowledge(this.#sent.length);
      await this.#scan();
      for (const source of this.#on.sources) await this.#readFrom(source);
      this.#on.nowMs += 11_000;
    }
    await this.#acknowledge(this.#sent.length);
    await this.#scan();
    await this.#scan();
    this.#flush();
    this.#losses.push(...this.#on.losses);
    this.#on.close();
    this.#check();
  }

  #check(): void {
    const count = (lines: readonly string[]) => Map.groupBy(lines, (line) => line);
    const delivered = count(this.#delivered);
    const written = count(this.#lives.flatMap(({ lines }) => lines));
    for (const [line, times] of delivered)
      assert.ok(times.length <= (written.get(line)?.length ?? 0), `${line} is delivered ${times.length} times`);
    const due = this.#lives.flatMap((life) => life.lines.slice(0, this.#isThere(life) ? undefined : life.stored));
    const missing = [...count(due)].flatMap(([line, times]) =>
      Array<string>(Math.max(0, times.length - (delivered.get(line)?.length ?? 0))).fill(line),
    );
    const bytes = (lines: readonly string[]) => lines.reduce((sum, line) => sum + line.length + 1, 0);
    const lost = this.#losses.reduce((sum, loss) => sum + (loss.bytes ?? loss.end - loss.start), 0);
    const undelivered = bytes([...written].flatMap(([, times]) => times)) - bytes(this.#delivered);
    assert.ok(bytes(missing) <= lost, `${bytes(missing)} bytes are missing, ${lost} recorded: ${missing}`);
    assert.ok(lost <= undelivered, `${lost} bytes are recorded as lost, ${undelivered} were not delivered`);
  }

  #isThere(life: Life): boolean {
    return FILES.slice(0, MATCHED).some((name) => this.#at.get(name) === life);
  }

  #newLife(lines: string[] = []): Life {
    const life = { lines, seen: 0, stored: 0 };
    this.#lives.push(life);
    return life;
  }

  #newLines(count: number): string[] {
    return Array.from({ length: count }, () => `line ${++this.#lineCount} `.padEnd(20 + (this.#lineCount % 90), 'x'));
  }

  async #append(name: string, count: number): Promise<void> {
    const lines = this.#newLines(count);
    const life = this.#at.get(name) ?? this.#newLife();
    life.lines.push(...lines);
    this.#at.set(name, life);
    const file = await open(this.#dir.at(name), constants.O_RDWR | constants.O_CREAT);
    const at = textOf(life.lines).length - textOf(lines).length;
    await file.write(textOf(lines), at).finally(() => file.close());
  }

  async #preallocate(name: string, bytes: number): Promise<void> {
    const life = this.#at.get(name);
    if (life) await truncate(this.#dir.at(name), textOf(life.lines).length + bytes);
  }

  async #rename(name: string, to: string): Promise<void> {
    const life = this.#at.get(name);
    if (!life || name === to) return;
    this.#at.delete(name);
    this.#at.set(to, life);
    await rename(this.#dir.at(name), this.#dir.at(to));
  }

  async #absence(
    name: string,
    to: string,
    { lines, scans, kept }: { lines: number; scans: number; kept: number },
  ): Promise<void> {
    if (!this.#at.has(name)) return;
    await this.#restart(true, kept);
    await this.#rename(name, FAR);
    for (let scan = 0; scan < scans; scan++) await this.#scan();
    if (lines > 0) await this.#append(FAR, lines);
    await this.#rename(FAR, to);
  }

  async #delete(name: string): Promise<void> {
    if (this.#at.delete(name)) await unlink(this.#dir.at(name));
  }

  async #copytruncate(name: string, to: string): Promise<void> {
    const life = this.#at.get(name);
    if (!life || !name.endsWith('.log') || name.includes('/')) return;
    if (this.#at.has(to)) await this.#delete(to);
    this.#at.set(to, life);
    await copyFile(this.#dir.at(name), this.#dir.at(to));
    this.#at.set(name, this.#newLife());
    await truncate(this.#dir.at(name));
  }

  async #rewrite(name: string, count: number, sameHead: boolean): Promise<void> {
    const life = this.#at.get(name);
    if (!life) return;
    // A file that was seen with its head only, or not at all, does not differ from the next one.
    const head = sameHead && life.seen > 3 ? life.lines.slice(0, 3) : [];
    const lines = [...head, ...this.#newLines(count)];
    this.#at.set(name, this.#newLife(lines));
    await writeFile(this.#dir.at(name), textOf(lines));
  }

  /** The agent may have seen the file at a path: it has, if it could open it. */
  #see(name: string): void {
    const life = this.#at.get(name);
    const source = this.#on.sources.find(({ path }) => path === this.#dir.at(name));
    if (life && source && source.size >= textOf(life.lines).length) life.seen = life.lines.length;
  }

  async #scan(): Promise<void> {
    const errors = await this.#on.find(this.#dir.at('*.log*'));
    for (const error of errors.values()) assert.match(error, /not opened yet/);
    for (const name of FILES.slice(0, MATCHED)) this.#see(name);
  }

  async #event(name: string): Promise<void> {
    if (FILES.indexOf(name as (typeof FILES)[number]) >= MATCHED) return;
    await this.#on.fileEvent(this.#dir.at(name)).catch((error) => assert.match(error.message, /not opened yet/));
    this.#see(name);
  }

  async #read(name: string): Promise<void> {
    const source = this.#on.sources.find(({ path }) => path === this.#dir.at(name));
    if (source) await this.#readFrom(source);
  }

  async #readFrom(source: Source): Promise<void> {
    for (;;) {
      const before = this.#on.lines.get(source.generation)?.length ?? 0;
      const segment = await this.#on.read(source);
      if (!segment) return;
      // Before a batch is sent, the ids of new generations are on the disk.
      if (this.#on.set.opened > this.#opened) this.#flush();
      this.#sent.push({ segment, lines: this.#on.lines.get(source.generation)?.slice(before) ?? [] });
    }
  }

  /** In the order in which they were sent. */
  async #acknowledge(count: number): Promise<void> {
    for (const sent of this.#sent.splice(0, count)) {
      this.#delivered.push(...sent.lines);
      this.#noted.push(sent);
      sent.segment.source.acknowledged(sent.segment);
    }
  }

  #flush(): void {
    this.#on.state.flush(1);
    for (const life of this.#lives) life.stored = life.seen;
    this.#opened = this.#on.set.opened;
    this.#noted = [];
  }

  /** kill -9, after a flush or not. Kafka has `kept` of the segments without a response. */
  async #restart(isFlushed: boolean, kept: number): Promise<void> {
    if (isFlushed) this.#flush();
    this.#losses.push(...(isFlushed ? this.#on.losses : []));
    for (const life of this.#lives) life.seen = life.stored;
    this.#on.close();
    const open = [...this.#noted, ...this.#sent];
    const inKafka = this.#noted.length + Math.min(kept, this.#sent.length);
    for (const { lines } of this.#sent.slice(0, kept)) this.#delivered.push(...lines);
    const intents = open.map(({ segment }, at) => intentOf(segment, at));
    this.#on = new SourceFixture(this.#dir, { filesMax: this.#filesMax, intents });
    this.#opened = 0;
    for (const [at, batch] of this.#on.recovery.batches.entries())
      if (at < inKafka) batch.onAcknowledged();
      else batch.onReturned(undefined);
    this.#noted = open.slice(0, inKafka);
    this.#sent = [];
  }
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

/** The intent of a batch with one segment. */
export function intentOf(segment: Segment, id: number): OpenIntent {
  const { source: _, ...stored } = segment;
  const to = { topic: 't', partition: 0, compression: 'none', timestampMs: 0 } as const;
  const producer = { id: 1n, epoch: 0 };
  return { id, ...to, producer, baseSequence: id, recordCount: segment.lines, segments: [stored] };
}
