import { type RewindTarget, Rewound, RewoundFile } from '../../proto/gen/logfleet/v1/ask.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { EntryCollector } from '../collect/entry-collector.ts';
import { Rewind, type RewindTo, type RewoundRange } from '../collect/rewind.ts';
import type { CheckpointStore } from '../state/checkpoint-store.ts';
import { StateError } from '../state/state-database.ts';
import { type Answerer, type Part, QuestionError } from './questions.ts';

const FILES_MAX = 1_000;
/** Of the answer that is kept, for who asks again. */
const FILES_KEPT_MAX = 20;

interface RewindTools {
  find(name: string): EntryCollector | undefined;
  store: CheckpointStore;
  host: string;
  clock: Clock;
  logger: Logger;
}

/** Sends lines of an entry once more. */
export function rewindAnswerer({ find, store, host, clock, logger }: RewindTools): Answerer<'rewind'> {
  return async function* answer(question, { signal }) {
    const { entry, replayId: id, dryRun, allowUnmarked, paths, author, reason } = question;
    const collector = find(entry);
    if (!collector) throw new QuestionError('CODE_NOT_FOUND', `${entry} is not on this agent`);
    const { uid } = collector.entry;
    const former = () => (dryRun ? undefined : formerAnswer(store, uid, id));
    const known = former();
    if (known) return yield known;
    if (collector.entry.headers === 'none' && !allowUnmarked) throw unmarked(entry);
    const to = targetOf(question.target, clock.nowMs());
    const rewind = new Rewind(collector, { store, host, wish: { id, to, paths } });
    await rewind.plan(dryRun, signal);
    if (dryRun) return yield partOf(rewind.ranges);
    if (find(entry) !== collector) throw new QuestionError('CODE_ABORTED', `${entry} was removed meanwhile`);
    // The same question may have been asked while this one was looking.
    const meanwhile = former();
    if (meanwhile) return yield meanwhile;
    const part = partOf(beginOrRefuse(rewind, clock.nowMs()));
    const { generations, bytes, failed } = part.value;
    logger.info('lines are sent once more', { replay: id, entry, generations, bytes, failed, author, reason });
    yield part;
  };
}

function beginOrRefuse(rewind: Rewind, nowMs: number): RewoundRange[] {
  try {
    return rewind.begin((ranges) => kept(partOf(ranges).value), nowMs);
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    throw new QuestionError('CODE_ABORTED', `nothing is sent once more: ${errorText(error)}`, { cause: error });
  }
}

/** By this agent's clock. Throws QuestionError. */
function targetOf(target: RewindTarget | undefined, nowMs: number): RewindTo {
  const from = target?.from;
  if (from?.$case === 'beginning') return { kind: 'beginning' };
  if (from?.$case === 'time') return { kind: 'time', timeMs: from.value.getTime() };
  if (from?.$case === 'sinceMs') return { kind: 'time', timeMs: nowMs - Number(from.value) };
  if (from?.$case === 'position')
    return { kind: 'position', generation: from.value.generation, position: Number(from.value.position) };
  throw new QuestionError('CODE_INVALID_ARGUMENT', 'it is not said from where on');
}

function unmarked(entry: string): QuestionError {
  const remedy = 'set headers to standard, or allow unmarked';
  return new QuestionError('CODE_INVALID_ARGUMENT', `${entry} has headers: none, so no record could say so: ${remedy}`);
}

function partOf(ranges: readonly RewoundRange[]): Extract<Part, { $case: 'rewind' }> {
  const failed = ranges.filter(({ error }) => error !== '');
  const sent = ranges.filter(({ error }) => error === '');
  const files = [...failed, ...sent].slice(0, FILES_MAX).map((range) => {
    return RewoundFile.create({ ...range, start: BigInt(range.start), end: BigInt(range.end) });
  });
  const bytes = BigInt(sent.reduce((sum, { start, end }) => sum + end - start, 0));
  return {
    $case: 'rewind',
    value: Rewound.create({ generations: sent.length, bytes, failed: failed.length, files }),
  };
}

function kept(rewound: Rewound): string {
  const short = { ...rewound, files: rewound.files.slice(0, FILES_KEPT_MAX) };
  return Buffer.from(Rewound.encode(short).finish()).toString('base64');
}

function formerAnswer(store: CheckpointStore, entryUid: string, id: string): Part | undefined {
  const answer = store.replays.rewindResponse(entryUid, id);
  if (answer === undefined) return undefined;
  return { $case: 'rewind', value: { ...Rewound.decode(Buffer.from(answer, 'base64')), known: true } };
}
