import { type RewindTarget, Rewound, RewoundFile } from '../../proto/gen/logfleet/v1/ask.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { EntryCollector } from '../collect/entry-collector.ts';
import { Rewind, type RewindStart, type RewoundRange } from '../collect/rewind.ts';
import { int64 } from '../model/int64.ts';
import type { CheckpointStore } from '../state/checkpoint-store.ts';
import { StateError } from '../state/state-database.ts';
import { RequestError, type RequestHandler, type ResponsePart } from './request-handler.ts';

const FILES_MAX = 1_000;
/** The most files in the stored response, which a repeated request gets. */
const FILES_KEPT_MAX = 20;

interface RewindDependencies {
  find(name: string): EntryCollector | undefined;
  store: CheckpointStore;
  host: string;
  clock: Clock;
  logger: Logger;
}

/** Sends lines of an entry to Kafka again. */
export function rewindHandler({ find, store, host, clock, logger }: RewindDependencies): RequestHandler<'rewind'> {
  return async function* rewindEntry(request, { signal }) {
    const { entry, replayId: id, dryRun, allowUnmarked, paths, author, reason } = request;
    const collector = find(entry);
    if (!collector) throw new RequestError('CODE_NOT_FOUND', `${entry} is not on this agent`);
    const { uid } = collector.entry;
    const previous = () => (dryRun ? undefined : previousResponse(store, uid, id));
    const known = previous();
    if (known) return yield known;
    if (collector.entry.headers === 'none' && !allowUnmarked) throw unmarkedError(entry);
    const start = startFrom(request.target, clock.nowMs());
    const rewind = new Rewind(collector, { store, host, request: { id, start, paths } });
    await rewind.plan(dryRun, signal);
    if (dryRun) return yield partOf(rewind.ranges);
    if (find(entry) !== collector) throw new RequestError('CODE_ABORTED', `${entry} was removed meanwhile`);
    // The same request may have been handled while this one was planning.
    const meanwhile = previous();
    if (meanwhile) return yield meanwhile;
    const part = partOf(beginOrRefuse(rewind, clock.nowMs()));
    const { generations, bytes, failed } = part.value;
    logger.info('a rewind began', { replay: id, entry, generations, bytes, failed, author, reason });
    yield part;
  };
}

function beginOrRefuse(rewind: Rewind, nowMs: number): RewoundRange[] {
  try {
    return rewind.begin((ranges) => encodeStored(partOf(ranges).value), nowMs);
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    throw new RequestError('CODE_ABORTED', `the rewind was not begun: ${errorText(error)}`, { cause: error });
  }
}

/** Where the rewind starts; times are by this agent's clock. Throws RequestError. */
function startFrom(target: RewindTarget | undefined, nowMs: number): RewindStart {
  const from = target?.from;
  if (from?.$case === 'beginning') return { kind: 'beginning' };
  if (from?.$case === 'time') return { kind: 'time', timeMs: from.value.getTime() };
  if (from?.$case === 'sinceMs') return { kind: 'time', timeMs: nowMs - Number(from.value) };
  if (from?.$case === 'position')
    return { kind: 'position', generation: from.value.generation, position: Number(from.value.position) };
  throw new RequestError('CODE_INVALID_ARGUMENT', 'target is missing: give the beginning, a time or a position');
}

function unmarkedError(entry: string): RequestError {
  const remedy = 'set headers to standard, or allow unmarked records';
  return new RequestError(
    'CODE_INVALID_ARGUMENT',
    `${entry} has headers: none, so its records can't be marked as a replay: ${remedy}`,
  );
}

function partOf(ranges: readonly RewoundRange[]): Extract<ResponsePart, { $case: 'rewind' }> {
  const failed = ranges.filter(({ error }) => error !== '');
  const sent = ranges.filter(({ error }) => error === '');
  const files = [...failed, ...sent].slice(0, FILES_MAX).map((range) => {
    return RewoundFile.create({ ...range, start: BigInt(range.start), end: BigInt(range.end) });
  });
  const bytes = int64(sent.reduce((sum, { start, end }) => sum + end - start, 0));
  return {
    $case: 'rewind',
    value: Rewound.create({ generations: sent.length, bytes, failed: failed.length, files }),
  };
}

function encodeStored(rewound: Rewound): string {
  const short = { ...rewound, files: rewound.files.slice(0, FILES_KEPT_MAX) };
  return Buffer.from(Rewound.encode(short).finish()).toString('base64');
}

/** The response to the same request, if it was handled before. */
function previousResponse(store: CheckpointStore, entryUid: string, id: string): ResponsePart | undefined {
  const answer = store.replays.rewindResponse(entryUid, id);
  if (answer === undefined) return undefined;
  return { $case: 'rewind', value: { ...Rewound.decode(Buffer.from(answer, 'base64')), known: true } };
}
