import type { BigIntStats } from 'node:fs';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { entryViolations, withEntryDefaults } from '../../proto/rules/entry-rules.ts';
import { createBackoff } from '../../runtime/backoff.ts';
import { errorText } from '../../runtime/errors.ts';
import type { LineFormat } from '../deliver/line-encoder.ts';
import type { Compression } from '../deliver/record-batch.ts';
import { standardHeaders } from '../deliver/record-headers.ts';
import type { Router } from '../deliver/router.ts';
import { Discovery } from './discovery.ts';
import type { Source } from './source.ts';
import { SourceSet, type SourceSetTools } from './source-set.ts';

const ROUTING_RETRY = { initialMs: 100, maxMs: 5_000 };
/** A topic that its controller is just making is nothing to tell. */
const ROUTING_QUIET_MS = 1_000;

export interface CollectTools extends SourceSetTools {
  router: Router;
  /** The host's name, for the records' headers. */
  host: string;
}

/** One entry on this agent: its revision, its files, where their lines go, and what troubles it. */
export class EntryCollector {
  readonly #tools: CollectTools;
  readonly #sources: SourceSet;
  readonly #stop = new AbortController();
  #entry: Entry;
  #discovery: Discovery | undefined;
  #partitions: { topic: string; count: number } | undefined;
  #routing = false;
  #invalid = '';
  #routingError = '';
  #fileErrors: ReadonlyMap<string, string> = new Map();
  #scanning: Promise<void> | undefined;
  /** The files were looked for at some time, perhaps by a former process: what is new now was created since. */
  #scannedEver: boolean;
  #scannedNow = false;

  constructor(entry: Entry, tools: CollectTools) {
    this.#entry = entry;
    this.#tools = tools;
    this.#sources = new SourceSet(entry.uid, tools, (source) => this.#direct(source));
    this.#scannedEver = tools.store.wasScanned(entry.uid);
  }

  /** The revision in force, its defaults written out. */
  get entry(): Entry {
    return this.#entry;
  }

  get sources(): Iterable<Source> {
    return this.#sources;
  }

  /** Files that could not be opened or looked at: the reason by path. */
  get fileErrors(): ReadonlyMap<string, string> {
    return this.#fileErrors;
  }

  get discovery(): Discovery | undefined {
    return this.#discovery;
  }

  /** What keeps the entry from being in force, or its lines from Kafka; empty when nothing does. */
  get error(): string {
    return this.#invalid || this.#routingError || (this.#tools.router.failure(this.#entry.topic)?.message ?? '');
  }

  /** Whether the revision is in force: its files are known and their lines have somewhere to go. */
  get applied(): boolean {
    return this.#routed && this.#scannedNow;
  }

  /** Whether nothing is on its way. */
  get settled(): boolean {
    return [...this.#sources].every((source) => source.settled);
  }

  /** Whether all that its files hold is in Kafka. */
  get complete(): boolean {
    return this.applied && [...this.#sources].every((source) => source.complete);
  }

  get #routed(): boolean {
    return this.#partitions?.topic === this.#entry.topic;
  }

  /** Puts a revision in force: from now on for what is read, not for what is on its way. */
  apply(entry: Entry): void {
    this.#entry = withEntryDefaults(entry);
    const violations = entryViolations(this.#entry);
    this.#invalid = violations.map(({ field, description }) => `${field}: ${description}`).join('; ');
    if (this.#invalid) {
      for (const source of this.#sources) source.pause();
      return;
    }
    this.#discovery = new Discovery(this.#entry);
    this.#scannedNow = false;
    for (const source of this.#sources) this.#direct(source);
    if (!this.#routed && !this.#routing) void this.#route();
  }

  /** Looks for files, and at those it has. Never rejects: troubles are kept to be shown. */
  scan(): Promise<void> {
    this.#scanning ??= this.#scan().finally(() => {
      this.#scanning = undefined;
    });
    return this.#scanning;
  }

  /** A hint about one path: looks at its source at once; false when it has none. */
  poke(path: string): boolean {
    let known = false;
    for (const source of this.#sources) {
      if (source.path !== path) continue;
      known = true;
      void this.#sources.look(source);
    }
    return known;
  }

  /** Stops reading for good; what is on its way may still arrive. */
  halt(): void {
    this.#stop.abort();
    for (const source of this.#sources) source.pause();
  }

  /** Closes the files. Positions stay. */
  close(): void {
    this.#sources.close();
  }

  async #route(): Promise<void> {
    const backoff = createBackoff(ROUTING_RETRY);
    const { clock, router } = this.#tools;
    const startMs = clock.monotonicMs();
    this.#routing = true;
    while (!this.#stop.signal.aborted && !this.#routed) {
      const { topic } = this.#entry;
      try {
        this.#partitions = { topic, count: await router.partitionCount(topic) };
        this.#routingError = '';
      } catch (error) {
        const told = this.#routingError !== '';
        if (clock.monotonicMs() - startMs > ROUTING_QUIET_MS) this.#routingError = errorText(error);
        if (this.#routingError && !told)
          this.#tools.logger.warn('no route', { entry: this.#entry.name, error: this.#routingError });
        await clock.sleep(backoff.next(), this.#stop.signal).catch(() => {});
      }
      this.#tools.onStateChange();
    }
    this.#routing = false;
    for (const source of this.#sources) this.#direct(source);
  }

  /** Sets a source going as the entry says. */
  #direct(source: Source): void {
    if (this.#stop.signal.aborted) return;
    if (this.#entry.paused || this.#invalid) source.pause();
    else source.resume();
    if (!this.#routed || !this.#partitions) {
      source.unassign();
      return;
    }
    const { topic, count } = this.#partitions;
    const choice = { former: source.partitionIn(topic), key: `${this.#tools.host}:${source.path}` };
    const route = this.#tools.router.route(topic, count, choice, this.#entry.compression as Compression);
    source.assign(route, this.#format(source));
  }

  #format(source: Source): LineFormat {
    const entry = this.#entry.name.replace(/^entries\//, '');
    const facts = { host: this.#tools.host, path: source.path, entry, generation: source.generation };
    const headers = this.#entry.headers === 'none' ? undefined : standardHeaders(facts);
    return { headers, maxLineBytes: this.#entry.maxLineBytes };
  }

  async #scan(): Promise<void> {
    const discovery = this.#discovery;
    const { signal } = this.#stop;
    if (!discovery || this.#invalid || signal.aborted) return;
    const found = await discovery.scan(signal).catch(() => undefined);
    if (!found || signal.aborted || discovery !== this.#discovery) return;
    const errors = await this.#sources.reconcile(found.files, (stat) => this.#start(stat));
    for (const { path, error } of found.errors) errors.set(path, errorText(error));
    const changed = !this.#scannedNow || [...errors.keys()].join() !== [...this.#fileErrors.keys()].join();
    this.#fileErrors = errors;
    if (!this.#scannedEver) this.#tools.store.markScanned(this.#entry.uid, this.#tools.clock.nowMs());
    this.#scannedEver = true;
    this.#scannedNow = true;
    if (changed) this.#tools.onStateChange();
  }

  /** `start` is about files that were there when the entry came; later ones are read whole, and with `once` all are. */
  #start(stat: BigIntStats): 'beginning' | 'end' {
    const { start } = this.#entry;
    if (this.#scannedEver || this.#tools.once || start === 'beginning') return 'beginning';
    if (start === 'end') return 'end';
    return Number(stat.mtimeMs) >= Date.parse(start) ? 'beginning' : 'end';
  }
}
