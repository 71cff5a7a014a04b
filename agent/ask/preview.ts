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
import { int64 } from '../model/int64.ts';
import { FilePreviews, type MatchedFile } from './preview-file.ts';
import { type RequestContext, RequestError, type RequestHandler } from './request-handler.ts';

/** The most files that are observed. */
const FILES_MAX = 10_000;
const ERRORS_MAX = 100;
const LINES_MAX = 20;
/**
 * The time beside measuring growth: the share for finding files, and the share by whose end the
 * last file is opened.
 */
const SHARE = { finding: 0.4, opening: 0.8 };
const WATCH_POLL_MS = 20;

export interface PreviewDependencies {
  clock: Clock;
  collector: FileCollector;
  host: string;
}

/**
 * Shows what an entry would collect on this host. It finds, opens and reads files as the collector
 * does, and keeps nothing.
 */
export function previewHandler(dependencies: PreviewDependencies): RequestHandler<'preview'> {
  return async function* preview(request, context) {
    if (!request.entry) throw new RequestError('CODE_INVALID_ARGUMENT', 'entry is missing');
    const entry = withEntryDefaults(request.entry);
    const wrong = entryViolations(entry).map(({ field, description }) => `${field}: ${description}`);
    if (wrong.length > 0)
      throw new RequestError(
        'CODE_INVALID_ARGUMENT',
        `this agent's version does not support the entry: ${wrong.join('; ')}`,
      );
    yield { $case: 'preview', value: await new PreviewRun(entry, request, dependencies, context).make() };
  };
}

class PreviewRun {
  readonly #entry: Entry;
  readonly #request: PreviewQuestion;
  readonly #dependencies: PreviewDependencies;
  readonly #context: RequestContext;
  readonly #discovery: Discovery;
  readonly #found: ScanResult = { files: [], errors: [] };
  readonly #truncated = new Set<string>();

  constructor(entry: Entry, request: PreviewQuestion, dependencies: PreviewDependencies, context: RequestContext) {
    this.#entry = entry;
    this.#request = request;
    this.#dependencies = dependencies;
    this.#context = context;
    this.#discovery = new Discovery(entry);
  }

  async make(): Promise<Preview> {
    const { clock, collector } = this.#dependencies;
    const spareMs = this.#context.deadlineMs - clock.monotonicMs() - this.#request.watchMs;
    await this.#find(clock.monotonicMs() + spareMs * SHARE.finding);
    const files = this.#found.files.slice(0, FILES_MAX);
    const foundMs = clock.monotonicMs();
    await clock.sleep(this.#request.watchMs, this.#context.signal);
    const matched = await this.#observeAgain(files, (clock.monotonicMs() - foundMs) / 1000);
    const others = [...collector.entries].filter(({ entry }) => entry.name !== this.#entry.name);
    const present = [...collector.entries].find(({ entry }) => entry.name === this.#entry.name);
    this.#setPositions(matched, present);
    const opened = await this.#open(matched, this.#context.deadlineMs - spareMs * (1 - SHARE.opening));
    return Preview.create({
      ...opened,
      ...this.#errors(),
      conflicts: others.flatMap((other) => this.#conflictWith(other, matched)),
      presentEtag: present?.entry.etag ?? '',
      truncated: [...this.#truncated].join('; '),
    });
  }

  /** Finds files until there are too many, or the time is up. */
  async #find(untilMs: number): Promise<void> {
    const { clock } = this.#dependencies;
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
      if (!late && this.#found.files.length <= FILES_MAX && !this.#context.signal.aborted) continue;
      if (late) this.#truncated.add('not all folders were searched in the time given');
      stop.abort();
      break;
    }
    await scanning;
    this.#context.signal.throwIfAborted();
    if (this.#found.incomplete) this.#truncated.add(this.#found.incomplete);
    if (this.#found.files.length > FILES_MAX) this.#truncated.add(`more than ${FILES_MAX} files match`);
  }

  /** Observes the files some time later and measures how they have grown. */
  async #observeAgain(files: readonly FoundFile[], seconds: number): Promise<MatchedFile[]> {
    const slices = new Slices();
    const matched: MatchedFile[] = [];
    for (const before of files) {
      if (slices.isOver) await slices.startNext();
      this.#context.signal.throwIfAborted();
      try {
        this.#discovery.markStale(before.path);
        const file = await this.#discovery.observe(before.path);
        if (!file) continue;
        // If another file has taken the path, all of it is growth.
        const growth = file.size - (file.key === before.key ? before.size : 0);
        const bytesPerSecond = Math.max(0, growth) / Math.max(seconds, 0.001);
        matched.push({ file, bytesPerSecond, position: undefined });
      } catch (error) {
        this.#found.errors.push({ path: before.path, error: error as Error });
      }
    }
    return matched.sort((a, b) => b.bytesPerSecond - a.bytesPerSecond || b.file.size - a.file.size);
  }

  /** Sets the positions of the files that the present revision of the entry already reads. */
  #setPositions(matched: readonly MatchedFile[], present: EntryCollector | undefined): void {
    if (!present) return;
    const sources = new Map<string, Source>();
    for (const source of present.sources) sources.set(fileKey(source.file), source);
    for (const one of matched) one.position = sources.get(one.file.key)?.position;
  }

  /** Opens each file. The first ones are listed, with lines. */
  async #open(matched: readonly MatchedFile[], untilMs: number) {
    const { filesMax, lines } = this.#request;
    const { start } = this.#entry;
    const fromBeginning = ({ changedMs }: FoundFile) =>
      start === 'beginning' || (start !== 'end' && changedMs >= Date.parse(start));
    const rule = (file: FoundFile) => (fromBeginning(file) ? 'beginning' : 'end');
    const shared = sharedFormat(formatFacts(this.#entry, this.#dependencies.host));
    const previews = new FilePreviews(shared, Math.min(lines, LINES_MAX), rule);
    const sum = { fileCount: 0, bytes: 0n, backlogBytes: 0n, bytesPerSecond: 0, archives: 0 };
    const files: PreviewFile[] = [];
    const slices = new Slices();
    let left = matched.length;
    for (const one of matched) {
      if (slices.isOver) await slices.startNext();
      this.#context.signal.throwIfAborted();
      if (this.#dependencies.clock.monotonicMs() > untilMs) {
        this.#truncated.add(`${left} files were not opened in the time given`);
        break;
      }
      left--;
      const file = await previews.preview(one, files.length < filesMax);
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
    if (matched.length - left - sum.archives > files.length)
      this.#truncated.add(`only ${files.length} files are listed`);
    if (previews.isFull) this.#truncated.add('the lines of some files are left out');
    return {
      ...sum,
      bytes: int64(sum.bytes),
      backlogBytes: int64(sum.backlogBytes),
      files,
      sampledRecords: BigInt(previews.sampledRecords),
      keptRecords: BigInt(previews.keptRecords),
    };
  }

  #errors() {
    const troubles = this.#found.errors
      .slice(0, ERRORS_MAX)
      .map(({ path, error }) => ({ path, error: errorText(error) }));
    return { troubles, troubleCount: this.#found.errors.length };
  }

  #conflictWith({ entry, sources }: EntryCollector, matched: readonly MatchedFile[]): PreviewConflict[] {
    const theirs = new Set<string>();
    for (const source of sources) if (!source.isClosed) theirs.add(fileKey(source.file));
    const shared = matched.filter(({ file }) => theirs.has(file.key));
    const [first] = shared;
    if (!first) return [];
    const sameTopic = entry.topic === this.#entry.topic;
    const { name, topic } = entry;
    return [PreviewConflict.create({ entry: name, topic, sameTopic, files: shared.length, path: first.file.path })];
  }
}
