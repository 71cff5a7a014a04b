import { AgentHealth, EntryStatus, FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { FactTotals } from '../model/fact.ts';
import { int64 } from '../model/int64.ts';
import type { IntentSegment } from '../model/segment.ts';
import type { Controls } from './controls.ts';
import type { EntryCollector } from './entry-collector.ts';
import { RateMeter } from './lag/rate-meter.ts';
import type { Usage } from './process-usage.ts';
import type { Archive } from './sources/file-identifier.ts';
import type { Source } from './sources/source.ts';

/** What was acknowledged since the process started. */
export class DeliveryTotals {
  readonly #clock: Clock;
  readonly #byteRate = new RateMeter();
  readonly #lineRate = new RateMeter();
  readonly startTime: Date;
  bytes = 0;
  lines = 0;
  /** The number of records that filters excluded, by entry. */
  readonly #filtered = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.startTime = new Date(clock.nowMs());
  }

  add({ start, end, lines, cut, filteredCount = 0, isRefused, replay }: IntentSegment, entryUid: string): void {
    const nowMs = this.#clock.monotonicMs();
    const bytes = isRefused ? 0 : end - start - (cut?.bytes ?? 0);
    this.bytes += bytes;
    this.lines += lines;
    if (filteredCount > 0 && replay === undefined)
      this.#filtered.set(entryUid, this.filteredOf(entryUid) + filteredCount);
    this.#byteRate.add(bytes, nowMs);
    this.#lineRate.add(lines, nowMs);
  }

  filteredOf(entryUid: string): number {
    return this.#filtered.get(entryUid) ?? 0;
  }

  get bytesPerSecond(): number {
    return this.#byteRate.perSecond(this.#clock.monotonicMs());
  }

  get linesPerSecond(): number {
    return this.#lineRate.perSecond(this.#clock.monotonicMs());
  }
}

export function entryStatus(
  collector: EntryCollector,
  { losses, lostBytes, sealedFiles }: FactTotals,
  totals: DeliveryTotals,
  ownFiles: readonly FileStatus[],
): EntryStatus {
  const { entry, error, isApplied: applied, isPaused: paused, fileErrors } = collector;
  const sources = [...collector.sources];
  return EntryStatus.create({
    entry: entry.name,
    etag: entry.etag,
    state: error ? 'STATE_FAILED' : stateOf(applied, paused),
    error,
    files: sources.length + fileErrors.size + [...collector.sources.archives].length,
    failedFiles: sources.filter(({ errors }) => errors.current !== '').length + fileErrors.size,
    limited: !paused && sources.some((source) => source.isLimited),
    losses: BigInt(losses),
    lostBytes: BigInt(lostBytes),
    sealedFiles: BigInt(sealedFiles),
    filteredLines: BigInt(totals.filteredOf(entry.uid)),
    lagBytes: sumOfLags(ownFiles),
    bytesPerSecond: ownFiles.reduce((sum, file) => sum + file.bytesPerSecond, 0),
    lagSeconds: longest(ownFiles),
    ...forecastOf(ownFiles),
    ...collector.scanTimes,
  });
}

/**
 * The status of every file of an entry, including those that can't be opened. `nowMs`: monotonic.
 */
export function fileStatuses(collector: EntryCollector, nowMs: number): FileStatus[] {
  const { name: entry, uid } = collector.entry;
  const files = [...collector.sources].map((source) =>
    fileStatus(source, entry, nowMs, collector.sources.lossForecast(source)),
  );
  for (const [path, error] of collector.fileErrors) {
    files.push(FileStatus.create({ id: `${uid}/${path}`, entry, path, state: 'STATE_FAILED', lastError: error }));
  }
  for (const archive of collector.sources.archives) files.push(archiveStatus(archive, entry, uid));
  return files;
}

export function agentHealth(
  files: readonly FileStatus[],
  totals: DeliveryTotals,
  controls: Controls,
  { error, lostBytes, pinnedBytes, usage }: { error: string; lostBytes: number; pinnedBytes: number; usage: Usage },
): AgentHealth {
  const lagBytes = sumOfLags(files);
  return AgentHealth.create({
    ...controls.status(lagBytes),
    lagBytes,
    bytesPerSecond: totals.bytesPerSecond,
    linesPerSecond: totals.linesPerSecond,
    deliveredBytes: int64(totals.bytes),
    deliveredLines: BigInt(totals.lines),
    openFiles: files.filter(({ state }) => state !== 'STATE_SKIPPED').length,
    error,
    startTime: totals.startTime,
    lostBytes: BigInt(lostBytes),
    ...usage,
    pinnedBytes: int64(pinnedBytes),
    lagSeconds: longest(files),
  });
}

function longest(files: readonly FileStatus[]): number {
  return files.reduce((most, { lagSeconds }) => Math.max(most, lagSeconds), 0);
}

/** The earliest forecast loss, and how many files have a forecast. */
function forecastOf(files: readonly FileStatus[]): Pick<EntryStatus, 'lossForecastSeconds' | 'lossForecastFiles'> {
  const forecasts = files.map(({ lossForecastSeconds }) => lossForecastSeconds).filter((seconds) => seconds > 0);
  return {
    lossForecastSeconds: forecasts.length > 0 ? forecasts.reduce((a, b) => Math.min(a, b)) : 0,
    lossForecastFiles: forecasts.length,
  };
}

function stateOf(applied: boolean, paused: boolean): EntryStatus['state'] {
  if (!applied) return 'STATE_APPLYING';
  return paused ? 'STATE_PAUSED' : 'STATE_APPLIED';
}

function fileStatus(source: Source, entry: string, nowMs: number, lossForecastSeconds: number): FileStatus {
  const lag = Math.max(0, source.size - source.position);
  const { replay } = source.turns;
  const { file } = source;
  const status = FileStatus.create({
    id: `${file.entryUid}/${source.generation}`,
    entry,
    path: source.path,
    generation: source.generation,
    device: file.device,
    inode: file.inode,
    state: fileStateOf(source),
    position: BigInt(source.position),
    size: BigInt(source.size),
    lagBytes: BigInt(lag),
    bytesPerSecond: file.pace?.bytesPerSecond(nowMs) ?? 0,
    lastError: source.errors.current,
    ...(replay && { replayId: replay.id, replayUntil: BigInt(replay.end) }),
    lagSeconds: lag > 0 ? Math.round((file.pace?.lagMs(source.position, nowMs) ?? 0) / 100) / 10 : 0,
    lossForecastSeconds,
    ...(file.lastAcknowledgedMs > 0 && { lastProgressTime: new Date(file.lastAcknowledgedMs) }),
  });
  // Not copied: as long as it is the same array, it has not changed.
  status.history = file.history as FileStatus['history'];
  return status;
}

function archiveStatus({ file, history }: Archive, entry: string, uid: string): FileStatus {
  const { path, device, inode, size } = file;
  const id = `${uid}/${path}`;
  const status = FileStatus.create({ id, entry, path, device, inode, state: 'STATE_SKIPPED', size: BigInt(size) });
  // Not copied, as above.
  status.history = history as FileStatus['history'];
  return status;
}

function fileStateOf({ errors, file }: Source): FileStatus['state'] {
  if (errors.current) return 'STATE_FAILED';
  const { activity } = file.state;
  if (activity === 'draining') return 'STATE_DRAINING';
  return activity === 'paused' || activity === 'unmatched' ? 'STATE_PAUSED' : 'STATE_READING';
}

function sumOfLags(files: readonly FileStatus[]): bigint {
  return int64(files.reduce((bytes, { lagBytes }) => bytes + lagBytes, 0n));
}
