import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { errorText } from './errors.ts';
import type { ConfigurationFiles } from './file-changes.ts';
import type { Logger } from './logger.ts';

/** Returns a file's content. Throws an error that names `setting` when the file is unreadable. */
export type FileReader = (file: string, setting: string) => Buffer;

export interface FileBackedOptions<T> {
  /** The name of the setting, for the log. */
  setting: string;
  files: readonly string[];
  /** The value as of the start of the process. */
  initial: T;
  /** Makes the value from its files. Throws when they can't be used. */
  load(read: FileReader): T;
  /** Throws when a changed value must not replace the current one. */
  verify(value: T): void;
}

/** A value made of files, which follows their changes. Files that can't be used change nothing. */
export class FileBackedValue<T> implements ConfigurationFiles {
  readonly #options: FileBackedOptions<T>;
  readonly #logger: Logger;
  readonly #listeners: (() => void)[] = [];
  #current: T;
  /** Why the files as they are now can't be used; empty when they are in use. */
  #rejection = '';

  constructor(options: FileBackedOptions<T>, logger: Logger) {
    this.#options = options;
    this.#logger = logger;
    this.#current = options.initial;
  }

  get current(): T {
    return this.#current;
  }

  /** Calls `listener` after each change of `current`. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  paths(): readonly string[] {
    return this.#options.files;
  }

  async check(): Promise<void> {
    const { setting, files, load, verify } = this.#options;
    try {
      const next = load(await readAll(files));
      const isNew = !isDeepStrictEqual(next, this.#current);
      if (isNew) verify(next);
      this.#rejection = '';
      if (!isNew) return;
      this.#current = next;
    } catch (error) {
      const text = errorText(error);
      if (text !== this.#rejection) this.#logRejection(text);
      this.#rejection = text;
      return;
    }
    this.#logger.info('reloaded changed files', { setting, files });
    for (const listener of this.#listeners) listener();
  }

  #logRejection(error: string): void {
    const { setting, files } = this.#options;
    this.#logger.warn('changed files cannot be used; the previous content stays in use', {
      setting,
      files,
      error,
      remedy: 'correct the files; they are then reloaded without a restart',
    });
  }
}

/** Reads without blocking the main thread: the files may be on a file system that hangs. */
async function readAll(files: readonly string[]): Promise<FileReader> {
  const results = await Promise.allSettled(files.map((file) => readFile(file)));
  const byFile = new Map(files.map((file, index) => [file, results[index]]));
  return (file, setting) => {
    const result = byFile.get(file);
    if (result?.status === 'fulfilled') return result.value;
    throw new Error(`${setting}: can't read ${file}`, { cause: result?.reason });
  };
}
