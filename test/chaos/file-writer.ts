import { copyFile, type FileHandle, mkdir, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../runtime/clock.ts';
import { type Random, seeded, subSeed } from '../support/random.ts';
import type { Lines } from './lines.ts';
import type { LifeWritten } from './verdict.ts';

/**
 * How a writer ends one generation of its file and begins the next. A perfect collector can deliver
 * all of the first four: where bytes are destroyed or moved to where the collector does not look,
 * the writer waits until they are acknowledged. It does not wait for the last two: what is not
 * delivered then must be reported as `loss`.
 */
export const ROTATIONS = [
  'rename',
  'rename-out',
  'copytruncate',
  'delete',
  'copytruncate-in',
  'delete-unread',
] as const;
export type Rotation = (typeof ROTATIONS)[number];

export interface WriterOptions {
  seed: number;
  name: string;
  rotation: Rotation;
  /** The folder whose `*.log*` the collector's globs match. */
  folder: string;
  /** A folder that no glob matches. */
  archive: string;
  linesPerSecond: number;
  /** About how many lines a generation has. */
  linesPerLife: number;
  lines: Lines;
  /** Resolves when Kafka has all `size` bytes of the file's present generation. */
  acknowledged(path: string, size: number, signal: AbortSignal): Promise<void>;
}

const TICK_MS = 20;
const WAITS: readonly Rotation[] = ['rename-out', 'copytruncate', 'delete'];
const SPLIT_SHARE = 0.2;
/**
 * Lines still written through the old descriptor after a rename, until the service reopens its
 * file.
 */
const LATE_LINES_MAX = 30;

/** Writes one file, generation after generation, and counts the lines of each. */
export class FileWriter {
  readonly name: string;
  readonly #options: WriterOptions;
  readonly #path: string;
  readonly #random: Random;
  readonly #lives: LifeWritten[] = [];
  #size = 0;

  constructor(options: WriterOptions) {
    this.name = options.name;
    this.#options = options;
    this.#path = join(options.folder, `${options.name}.log`);
    this.#random = seeded(subSeed(options.seed, 'writer', options.name));
  }

  get lives(): readonly LifeWritten[] {
    return this.#lives;
  }

  /** Writes until `signal` is aborted. Each generation ends with a whole line. */
  async run(signal: AbortSignal): Promise<void> {
    await mkdir(this.#options.archive, { recursive: true });
    let file = await open(this.#path, 'a');
    try {
      for (;;) {
        await this.#writeLife(file, signal);
        if (signal.aborted) return;
        if (WAITS.includes(this.#options.rotation)) await this.#untilAcknowledged(signal);
        if (signal.aborted) return;
        file = await this.#rotate(file);
      }
    } finally {
      await file.close();
    }
  }

  async #writeLife(file: FileHandle, signal: AbortSignal): Promise<void> {
    const { linesPerLife, linesPerSecond, name } = this.#options;
    this.#lives.push({ writer: name, life: this.#lives.length, lines: 0 });
    this.#size = 0;
    const length = this.#random.between(Math.ceil(linesPerLife / 2), Math.ceil(linesPerLife * 1.5));
    const startMs = systemClock.monotonicMs();
    const life = this.#present;
    while (life.lines < length && !signal.aborted) {
      const due = ((systemClock.monotonicMs() - startMs) / 1000) * linesPerSecond - life.lines;
      await this.#write(file, Math.min(Math.ceil(due), length - life.lines));
      await systemClock.sleep(TICK_MS);
    }
  }

  async #write(file: FileHandle, count: number): Promise<void> {
    if (count <= 0) return;
    const life = this.#present;
    const texts = Array.from({ length: count }, (_, index) =>
      this.#options.lines.text({ writer: life.writer, life: life.life, line: life.lines + index }),
    );
    const bytes = Buffer.concat(texts.flatMap((text) => [text, NEWLINE]));
    const split = this.#random.next() < SPLIT_SHARE ? this.#random.between(0, bytes.length) : bytes.length;
    await file.appendFile(bytes.subarray(0, split));
    if (split < bytes.length) {
      await systemClock.sleep(TICK_MS);
      await file.appendFile(bytes.subarray(split));
    }
    life.lines += count;
    this.#size += bytes.length;
  }

  get #present(): LifeWritten {
    return this.#lives.at(-1) as LifeWritten;
  }

  async #untilAcknowledged(signal: AbortSignal): Promise<void> {
    try {
      await this.#options.acknowledged(this.#path, this.#size, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Ends the present generation. Returns where the next one is written. */
  async #rotate(file: FileHandle): Promise<FileHandle> {
    const { rotation, name, folder, archive } = this.#options;
    const { life } = this.#present;
    switch (rotation) {
      case 'rename':
        await rename(this.#path, join(folder, `${name}.log.${life}`));
        await this.#write(file, this.#random.between(0, LATE_LINES_MAX));
        break;
      case 'rename-out':
        await rename(this.#path, join(archive, `${name}.${life}`));
        break;
      case 'copytruncate':
      case 'copytruncate-in':
        await copyFile(
          this.#path,
          rotation === 'copytruncate' ? join(archive, `${name}.${life}`) : `${this.#path}.${life}`,
        );
        await file.truncate(0);
        return file;
      case 'delete':
      case 'delete-unread':
        await unlink(this.#path);
    }
    await file.close();
    return open(this.#path, 'a');
  }
}

const NEWLINE = Buffer.from('\n');
