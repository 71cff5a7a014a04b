import type { AgentReport, Collector } from '../../agent/collect/collector.ts';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { AgentHealth, EntryStatus, FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';

const BYTES_PER_OBSERVATION = 50_000n;
const START_SIZE = 10_000_000n;

/** Called when an agent first reports this revision of this entry as applied. */
export type AppliedListener = (entry: string, etag: string) => void;

/**
 * A collector without files. It applies changes at once, and each report says that one file of each
 * entry has grown.
 */
export class SimulatedCollector implements Collector {
  readonly #id: string;
  readonly #onApplied: AppliedListener;
  readonly #entries = new Map<string, EntryStatus>();
  readonly #files = new Map<string, FileStatus>();
  readonly #unreported = new Map<string, string>();
  readonly #health: AgentHealth;
  #onChange: () => void = () => {};

  constructor(id: string, onApplied: AppliedListener) {
    this.#id = id;
    this.#onApplied = onApplied;
    this.#health = AgentHealth.create({ residentBytes: 120_000_000n, startTime: new Date(), openFiles: 20 });
  }

  apply(entries: readonly Entry[]): void {
    const wanted = new Set(entries.map(({ name }) => name));
    for (const name of this.#entries.keys()) {
      if (wanted.has(name)) continue;
      this.#entries.delete(name);
      this.#files.delete(name);
    }
    for (const { name, uid, etag } of entries) {
      if (this.#entries.get(name)?.etag === etag) continue;
      this.#entries.set(name, EntryStatus.create({ entry: name, etag, state: 'STATE_APPLIED', files: 1 }));
      if (!this.#files.has(name)) this.#files.set(name, fileOf(name, uid, this.#id));
      this.#unreported.set(name, etag);
    }
    this.#onChange();
  }

  report(): AgentReport {
    const now = new Date();
    for (const [name, file] of this.#files) {
      const size = file.size + BYTES_PER_OBSERVATION;
      this.#files.set(name, { ...file, size, position: size - file.lagBytes, lastProgressTime: now });
    }
    for (const [name, etag] of this.#unreported) this.#onApplied(name, etag);
    this.#unreported.clear();
    const deliveredBytes = this.#health.deliveredBytes + BYTES_PER_OBSERVATION * BigInt(this.#files.size);
    this.#health.deliveredBytes = deliveredBytes;
    return { entries: [...this.#entries.values()], files: [...this.#files.values()], health: this.#health, facts: [] };
  }

  onChange(listener: () => void): void {
    this.#onChange = listener;
  }
}

/** Paths and ids are as long as real ones. */
function fileOf(entry: string, uid: string, agent: string): FileStatus {
  const generation = `${agent}-01JD9Y7Q2M8ZKQ4E`.slice(0, 26);
  return FileStatus.create({
    id: `${uid}/${generation}`,
    entry,
    path: `/var/log/services/${entry.split('/')[1]}/current/application.log`,
    generation,
    device: 64_769n,
    inode: 12_345_678n,
    state: 'STATE_READING',
    size: START_SIZE,
    position: START_SIZE,
    lagBytes: 4_096n,
    bytesPerSecond: 5_000,
  });
}
