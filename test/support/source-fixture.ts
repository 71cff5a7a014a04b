import { stat, writeFile } from 'node:fs/promises';
import { FileBudget } from '../../agent/collect/files/file-budget.ts';
import { Discovery, type ScanResult, type StartRule } from '../../agent/collect/find/discovery.ts';
import { recordLosses } from '../../agent/collect/read/segment-losses.ts';
import { CrashRecovery } from '../../agent/collect/sources/crash-recovery.ts';
import type { Source } from '../../agent/collect/sources/source.ts';
import { SourceSet } from '../../agent/collect/sources/source-set.ts';
import type { FormatFacts } from '../../agent/encode/line-format.ts';
import { WorkPool } from '../../agent/encode/work-pool.ts';
import type { Begun, Loss, Sealed } from '../../agent/model/fact.ts';
import { type FoundFile, foundFile } from '../../agent/model/found-file.ts';
import type { OpenIntent } from '../../agent/model/segment.ts';
import type { Route } from '../../agent/produce/route.ts';
import type { Segment } from '../../agent/produce/route-source.ts';
import { CheckpointStore } from '../../agent/state/checkpoint-store.ts';
import { StateDatabase } from '../../agent/state/state-database.ts';
import { createLogger } from '../../runtime/logger.ts';
import { decodeRecords } from './decode-records.ts';
import { testFormat } from './formats.ts';
import type { TempDir } from './temp-dir.ts';
import { testBench } from './test-bench.ts';

export const HOUR_MS = 3_600_000;
const signal = new AbortController().signal;
const nowhere = { topic: 't', partition: 0, wake: () => {} } as unknown as Route;

export interface SourceFixtureOptions {
  filesMax?: number;
  pinnedBytesMax?: number;
  once?: boolean;
  start?: StartRule;
  format?: Partial<FormatFacts>;
  /** Batches that the previous process had sent when it was killed. */
  intents?: readonly OpenIntent[];
}

/**
 * A SourceSet over real files and a real store. The test controls the clock and takes Kafka's part.
 */
export class SourceFixture {
  readonly state: StateDatabase;
  readonly store: CheckpointStore;
  readonly set: SourceSet;
  readonly budget: FileBudget;
  readonly recovery: CrashRecovery;
  readonly losses: Loss[] = [];
  readonly sealed: Sealed[] = [];
  readonly beginnings: Begun[] = [];
  readonly warnings: string[] = [];
  /** The lines of each generation, in the order in which they were sent. */
  readonly lines = new Map<string, string[]>();
  readonly #bench = testBench();
  readonly #start: StartRule;
  /** Monotonic. */
  nowMs = 0;
  /** Long before any file was changed, so no ctime is settled. */
  wallMs = 0;
  wanted = (_path: string) => true;
  /** Whether the entry is paused. */
  paused = false;

  constructor(dir: TempDir, options: SourceFixtureOptions = {}) {
    const { filesMax = 100, pinnedBytesMax, once = false, start = () => 'beginning', format, intents = [] } = options;
    this.#start = start;
    this.state = StateDatabase.open(dir.at('state'));
    this.store = new CheckpointStore(this.state);
    const clock = {
      nowMs: () => this.wallMs,
      monotonicMs: () => this.nowMs,
      sleep: async () => {},
      after: () => () => {},
    };
    const logger = createLogger({ level: 'warn', format: 'json', write: (line) => this.warnings.push(line) });
    const facts = {
      begun: (fact: Begun) => this.beginnings.push(fact),
      loss: (loss: Loss) => this.losses.push(loss),
      sealed: (fact: Sealed) => this.sealed.push(fact),
    };
    this.budget = new FileBudget(filesMax, pinnedBytesMax, clock);
    const { store, budget } = this;
    this.recovery = new CrashRecovery(intents, { store, facts, pool: new WorkPool(1), budget, logger });
    const assign = (source: Source) => {
      if (this.paused) source.apply('paused');
      else source.resume();
      source.assign(nowhere, () => testFormat(format));
    };
    this.set = new SourceSet('e', {
      ...{ clock, logger, store, facts, recovery: this.recovery, budget },
      routes: { assign },
      listener: {
        acknowledged: ({ file }, segment) => {
          if (segment.replay === undefined) recordLosses(facts, file, segment);
        },
        stateChanged: () => {},
      },
      options: { once },
    });
  }

  /** Evaluates a scan that found the files at these paths. */
  async scan(paths: string[], unreadable: string[] = []): Promise<Map<string, string>> {
    const files: FoundFile[] = [];
    for (const path of paths) files.push(foundFile(path, await stat(path, { bigint: true })) as FoundFile);
    return this.takeIn({ files, errors: unreadable.map((path) => ({ path, error: new Error('EACCES') })) }, paths);
  }

  /** `since`: how many sources the set had opened before the walk. */
  takeIn(found: ScanResult, folders: readonly string[] = [], since = this.set.opened): Promise<Map<string, string>> {
    const rules = { start: this.#start, matches: (path: string) => this.wanted(path), folders, since };
    return this.set.evaluate(found, rules, signal);
  }

  /** Scans for files that match `globs`. */
  async find(...globs: string[]): Promise<Map<string, string>> {
    const discovery = new Discovery({ paths: globs, exclude: [] });
    this.wanted = (path) => discovery.matches(path);
    return this.takeIn(await discovery.scan(signal), discovery.bases);
  }

  /** Handles a file event at `path`. */
  async fileEvent(path: string): Promise<void> {
    const file = await stat(path, { bigint: true }).then(
      (stats) => foundFile(path, stats),
      () => undefined,
    );
    await this.set.handleEvent(path, file, this.#start);
  }

  get sources(): Source[] {
    return [...this.set];
  }

  at(path: string): Source {
    const source = this.sources.find((one) => one.path === path);
    if (!source) throw new Error(`nothing is read at ${path}, only ${this.sources.map((one) => one.path)}`);
    return source;
  }

  /** The lines of all generations, sorted. */
  get allLines(): string[] {
    return [...this.lines.values()].flat().sort();
  }

  /** Reads and acknowledges all lines. */
  async deliver(): Promise<void> {
    for (const source of this.sources) await this.deliverOf(source);
  }

  async deliverOf(source: Source): Promise<void> {
    for (let segment = await this.read(source); segment; segment = await this.read(source))
      source.acknowledged(segment);
  }

  /** Reads one segment, which is outstanding until the test acknowledges or returns it. */
  async read(source: Source): Promise<Segment | undefined> {
    this.#bench.records.reset();
    if (source.fd < 0) await this.fileEvent(source.path);
    const { segment } = await source.fill(this.#bench);
    if (!segment) return undefined;
    const lines = this.lines.get(source.generation) ?? [];
    const { records } = this.#bench;
    for (const { value } of decodeRecords(records.view(), records.recordCount)) lines.push(value.toString());
    this.lines.set(source.generation, lines);
    return segment;
  }

  /** Stops as kill -9 does after a flush: the state on disk stays. */
  kill(): void {
    this.state.flush(1);
    this.close();
  }

  close(): void {
    this.set.close();
    this.state.close();
  }
}

/** A file that is acknowledged up to its last complete line. */
export async function begun(
  dir: TempDir,
  content: string,
): Promise<{ on: SourceFixture; file: string; source: Source }> {
  const on = new SourceFixture(dir);
  const file = dir.at('a.log');
  await writeFile(file, content);
  await on.scan([file]);
  await on.deliver();
  return { on, file, source: on.sources[0] as Source };
}

/** The same, but found by a Discovery, which knows that the file system is local. */
export async function begunLocally(dir: TempDir, content: string): ReturnType<typeof begun> {
  const on = new SourceFixture(dir);
  const file = dir.at('a.log');
  await writeFile(file, content);
  await on.find(dir.at('*.log'));
  await on.deliver();
  return { on, file, source: on.at(file) };
}

/** A log that was read to its end by a process that then stopped. */
export async function stopped(dir: TempDir, content: string): Promise<string> {
  const { on, file } = await begun(dir, content);
  on.kill();
  return file;
}
