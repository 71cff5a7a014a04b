import { Preview, PreviewConflict, type PreviewFile, type PreviewQuestion } from '../../proto/gen/logfleet/v1/ask.ts';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { entryViolations, withEntryDefaults } from '../../proto/rules/entry-rules.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import { Slices } from '../../runtime/slices.ts';
import type { EntryCollector } from '../collect/entry-collector.ts';
import type { FileCollector } from '../collect/file-collector.ts';
import { Discovery, type ScanResult } from '../collect/find/discovery.ts';
import { formatFacts } from '../collect/read/format-facts.ts';
import type { Source } from '../collect/sources/source.ts';
import { sharedFormat } from '../encode/line-format.ts';
import { type FoundFile, fileKey } from '../model/found-file.ts';
import { FilePreviews, type Looked } from './preview-file.ts';
import { type Answerer, type Asking, QuestionError } from './questions.ts';

/** More are not looked at. */
const FILES_MAX = 10_000;
const TROUBLES_MAX = 100;
const LINES_MAX = 20;
/** Of the time beside the watching: for finding files, and until the last one is opened. */
const SHARE = { finding: 0.4, opening: 0.8 };
const WATCH_POLL_MS = 20;

export interface PreviewTools {
  clock: Clock;
  collector: FileCollector;
  host: string;
}

/** Tells what an entry would collect here: finds, opens and reads files as the collector does, and keeps nothing. */
export function previewAnswerer(tools: PreviewTools): Answerer<'preview'> {
  return async function* preview(question, asking) {
    if (!question.entry) throw new QuestionError('CODE_INVALID_ARGUMENT', 'entry is missing');
    const entry = withEntryDefaults(question.entry);
    const wrong = entryViolations(entry).map(({ field, description }) => `${field}: ${description}`);
    if (wrong.length > 0) throw new QuestionError('CODE_INVALID_ARGUMENT', `not for this version: ${wrong.join('; ')}`);
    yield { $case: 'preview', value: await new PreviewRun(entry, question, tools, asking).make() };
  };
}

class PreviewRun {
  readonly #entry: Entry;
  readonly #question: PreviewQuestion;
  readonly #tools: PreviewTools;
  readonly #asking: Asking;
  readonly #discovery: Discovery;
  readonly #found: ScanResult = { files: [], errors: [] };
  readonly #truncated = new Set<string>();

  constructor(entry: Entry, question: PreviewQuestion, tools: PreviewTools, asking: Asking) {
    this.#entry = entry;
    this.#question = question;
    this.#tools = tools;
    this.#asking = asking;
    this.#discovery = new Discovery(entry);
  }

  async make(): Promise<Preview> {
    const { clock, collector } = this.#tools;
    const spareMs = this.#asking.deadlineMs - clock.monotonicMs() - this.#question.watchMs;
    await this.#find(clock.monotonicMs() + spareMs * SHARE.finding);
    const files = this.#found.files.slice(0, FILES_MAX);
    const foundMs = clock.monotonicMs();
    await clock.sleep(this.#question.watchMs, this.#asking.signal);
    const looked = await this.#lookAgain(files, (clock.monotonicMs() - foundMs) / 1000);
    const others = [...collector.entries].filter(({ entry }) => entry.name !== this.#entry.name);
    const present = [...collector.entries].find(({ entry }) => entry.name === this.#entry.name);
    this.#placeIn(looked, present);
    const opened = await this.#open(looked, this.#asking.deadlineMs - spareMs * (1 - SHARE.opening));
    return Preview.create({
      ...opened,
      ...this.#troubles(),
      conflicts: others.flatMap((other) => this.#conflictWith(other, looked)),
      presentEtag: present?.entry.etag ?? '',
      truncated: [...this.#truncated].join('; '),
    });
  }

  /** Looks for files until there are too many, or the time is up. */
  async #find(untilMs: number): Promise<void> {
    const { clock } = this.#tools;
    const stop = new AbortController();
    const scanning = this.#discovery.scan(stop.signal, this.#found).then(
      () => true,
      () => false,
    );
    const done = new AbortController();
    void scanning.then(() => done.abort());
    while (!done.signal.aborted) {
      await clock.sleep(WATCH_POLL_MS, done.signal).catch(() => {});
      const late = clock.monotonicMs() > untilMs;
      if (!late && this.#found.files.length <= FILES_MAX && !this.#asking.signal.aborted) continue;
      if (late) this.#truncated.add('not all folders were looked through in the time given');
      stop.abort();
      break;
    }
    await scanning;
    this.#asking.signal.throwIfAborted();
    if (this.#found.files.length > FILES_MAX) this.#truncated.add(`more than ${FILES_MAX} files match`);
  }

  /** The same files some time later: how they have grown. */
  async #lookAgain(files: readonly FoundFile[], seconds: number): Promise<Looked[]> {
    const slices = new Slices();
    const looked: Looked[] = [];
    for (const former of files) {
      if (slices.over) await slices.next();
      this.#asking.signal.throwIfAborted();
      try {
        this.#discovery.markStale(former.path);
        const file = await this.#discovery.observe(former.path);
        if (!file) continue;
        // Another file at the path has come meanwhile, with all that it has.
        const growth = file.size - (file.key === former.key ? former.size : 0);
        const bytesPerSecond = Math.max(0, growth) / Math.max(seconds, 0.001);
        looked.push({ file, bytesPerSecond, position: undefined });
      } catch (error) {
        this.#found.errors.push({ path: former.path, error: error as Error });
      }
    }
    return looked.sort((a, b) => b.bytesPerSecond - a.bytesPerSecond || b.file.size - a.file.size);
  }

  /** What the entry has already read, where it is not new. */
  #placeIn(looked: readonly Looked[], present: EntryCollector | undefined): void {
    if (!present) return;
    const sources = new Map<string, Source>();
    for (const source of present.sources) sources.set(fileKey(source), source);
    for (const one of looked) one.position = sources.get(one.file.key)?.position;
  }

  /** Opens each file; tells the first ones one by one, with lines. */
  async #open(looked: readonly Looked[], untilMs: number) {
    const { filesMax, lines } = this.#question;
    const { start } = this.#entry;
    const fromBeginning = ({ changedMs }: FoundFile) =>
      start === 'beginning' || (start !== 'end' && changedMs >= Date.parse(start));
    const rule = (file: FoundFile) => (fromBeginning(file) ? 'beginning' : 'end');
    const shared = sharedFormat(formatFacts(this.#entry, this.#tools.host));
    const previews = new FilePreviews(shared, Math.min(lines, LINES_MAX), rule);
    const sum = { fileCount: 0, bytes: 0n, backlogBytes: 0n, bytesPerSecond: 0, archives: 0 };
    const files: PreviewFile[] = [];
    const slices = new Slices();
    let left = looked.length;
    for (const one of looked) {
      if (slices.over) await slices.next();
      this.#asking.signal.throwIfAborted();
      if (this.#tools.clock.monotonicMs() > untilMs) {
        this.#truncated.add(`${left} files were not opened in the time given`);
        break;
      }
      left--;
      const file = await previews.look(one, files.length < filesMax);
      if (file === 'archive') sum.archives++;
      else if (file.error) this.#found.errors.push({ path: file.path, error: new Error(file.error) });
      else {
        sum.fileCount++;
        sum.bytes += file.size;
        sum.backlogBytes += file.size - file.start;
        sum.bytesPerSecond += file.bytesPerSecond;
      }
      if (file !== 'archive' && files.length < filesMax) files.push(file);
    }
    if (looked.length - left - sum.archives > files.length)
      this.#truncated.add(`only ${files.length} files are told one by one`);
    if (previews.full) this.#truncated.add('the lines of some files are left out');
    return {
      ...sum,
      files,
      sampledRecords: BigInt(previews.sampledRecords),
      keptRecords: BigInt(previews.keptRecords),
    };
  }

  #troubles() {
    const troubles = this.#found.errors
      .slice(0, TROUBLES_MAX)
      .map(({ path, error }) => ({ path, error: errorText(error) }));
    return { troubles, troubleCount: this.#found.errors.length };
  }

  #conflictWith({ entry, sources }: EntryCollector, looked: readonly Looked[]): PreviewConflict[] {
    const theirs = new Set<string>();
    for (const source of sources) if (source.state !== 'CLOSED') theirs.add(fileKey(source));
    const shared = looked.filter(({ file }) => theirs.has(file.key));
    const [first] = shared;
    if (!first) return [];
    const sameTopic = entry.topic === this.#entry.topic;
    const { name, topic } = entry;
    return [PreviewConflict.create({ entry: name, topic, sameTopic, files: shared.length, path: first.file.path })];
  }
}
