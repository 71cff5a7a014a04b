import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Entry } from '../proto/gen/logfleet/v1/entry.ts';
import { entryDocuments, markDuplicateNames } from '../proto/rules/entry-document.ts';
import { CodedError, errorText } from '../runtime/errors.ts';
import type { ConfigurationFiles } from '../runtime/file-changes.ts';
import type { Logger } from '../runtime/logger.ts';

export class EntriesFileError extends CodedError<'UNREADABLE' | 'INVALID'> {}

interface FileText {
  file: string;
  text: string;
}

/**
 * The entries of an agent that runs alone: a YAML or JSON file, or a folder of such files. A change
 * is applied when all entries are valid. Otherwise the previous entries stay in force.
 */
export class EntriesFile implements ConfigurationFiles {
  readonly #path: string;
  readonly #logger: Logger;
  #onChange: () => void = () => {};
  #texts: readonly FileText[];
  #entries: readonly Entry[];
  #error = '';

  private constructor(path: string, texts: readonly FileText[], logger: Logger) {
    this.#path = path;
    this.#logger = logger;
    this.#texts = texts;
    this.#entries = parseEntries(path, texts);
  }

  /** Rejects with EntriesFileError, which names every violation. */
  static async open(path: string, logger: Logger): Promise<EntriesFile> {
    return new EntriesFile(path, await readTexts(path), logger);
  }

  /** The entries in force. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** Why the files as they are now can't be used; empty when their entries are in force. */
  get error(): string {
    return this.#error;
  }

  /** Calls `listener` when the entries or the error have changed. */
  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  paths(): readonly string[] {
    return [this.#path, ...this.#texts.map(({ file }) => file)];
  }

  async check(): Promise<void> {
    try {
      const texts = await readTexts(this.#path);
      if (this.#error === '' && isSame(texts, this.#texts)) return;
      this.#texts = texts;
      this.#replace(parseEntries(this.#path, texts));
    } catch (error) {
      this.#reject(errorText(error));
    }
  }

  #replace(entries: readonly Entry[]): void {
    const difference = differenceOf(this.#entries, entries);
    const wasRejected = this.#error !== '';
    this.#entries = entries;
    this.#error = '';
    const isChanged = Object.values(difference).some((names) => names.length > 0);
    // Comments may have changed, or a mistake was undone.
    if (!isChanged && !wasRejected) return;
    this.#logger.info('applied the changed entries', { file: this.#path, ...difference });
    this.#onChange();
  }

  #reject(error: string): void {
    if (error === this.#error) return;
    this.#error = error;
    this.#logger.warn('the changed entries cannot be used; the previous entries stay in force', {
      file: this.#path,
      error,
      remedy: 'correct the file; it is then applied without a restart',
    });
    this.#onChange();
  }
}

/** A folder stands for the YAML and JSON files in it, as in `logfleet apply -f FOLDER`. */
async function readTexts(path: string): Promise<FileText[]> {
  try {
    const isFolder = (await stat(path)).isDirectory();
    const names = isFolder ? (await readdir(path)).filter((name) => /\.(ya?ml|json)$/.test(name)).sort() : [];
    const files = isFolder ? names.map((name) => join(path, name)) : [path];
    return await Promise.all(files.map(async (file) => ({ file, text: await readFile(file, 'utf8') })));
  } catch (error) {
    throw new EntriesFileError('UNREADABLE', `entries: can't read ${path}`, { cause: error });
  }
}

function isSame(one: readonly FileText[], other: readonly FileText[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ file, text }, index) => file === other[index]?.file && text === other[index]?.text)
  );
}

function parseEntries(path: string, texts: readonly FileText[]): Entry[] {
  const documents = markDuplicateNames(texts.flatMap(parseFile));
  const problems = documents.flatMap(({ where, violations }) =>
    violations.map(({ field, description }) => `${where}: ${field}: ${description}`),
  );
  if (documents.length === 0) problems.push(`${path}: has no entries`);
  if (problems.length > 0) throw new EntriesFileError('INVALID', problems.join('\n'));
  return documents.map(({ entry }) => ({ ...entry, uid: `file:${entry.name}`, etag: contentHash(entry) }));
}

function parseFile({ file, text }: FileText) {
  try {
    return entryDocuments(text, file);
  } catch (error) {
    throw new EntriesFileError('UNREADABLE', `entries: can't read ${file}`, { cause: error });
  }
}

/** Without a server that counts revisions, an entry's content is its revision. */
function contentHash(entry: Entry): string {
  return createHash('sha256').update(Entry.encode(entry).finish()).digest('hex').slice(0, 16);
}

/** The names of the entries that differ. */
function differenceOf(previous: readonly Entry[], next: readonly Entry[]) {
  const etags = new Map(previous.map(({ name, etag }) => [name, etag]));
  const names = new Set(next.map(({ name }) => name));
  return {
    added: next.filter(({ name }) => !etags.has(name)).map(({ name }) => name),
    changed: next.filter(({ name, etag }) => etags.has(name) && etags.get(name) !== etag).map(({ name }) => name),
    deleted: previous.filter(({ name }) => !names.has(name)).map(({ name }) => name),
  };
}
