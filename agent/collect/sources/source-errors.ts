import type { Logger } from '../../../runtime/logger.ts';

/**
 * What is wrong with a file. An error of an observation ends with the next observation, one of a
 * read with the next read.
 */
export class SourceErrors {
  #observation = '';
  #read = '';

  /** Empty: neither failed the last time. */
  get current(): string {
    return this.#read || this.#observation;
  }

  /** Notes the outcome of an observation, empty if it succeeded. Returns whether it is another one. */
  setObservation(error: string): boolean {
    const changed = this.#observation !== error;
    this.#observation = error;
    return changed;
  }

  /** The same for a read. */
  setRead(error: string): boolean {
    const changed = this.#read !== error;
    this.#read = error;
    return changed;
  }
}

const ERRORS_LOGGED_MAX = 3;

/**
 * Logs the errors of paths that had none before. One cause can affect thousands of files, so only
 * a few are logged. The fleet's state shows all of them.
 */
export function logNewErrors(
  errors: ReadonlyMap<string, string>,
  { previous, entry, logger }: { previous: ReadonlyMap<string, string>; entry: string; logger: Logger },
): void {
  const fresh = [...errors].filter(([path]) => !previous.has(path));
  for (const [path, error] of fresh.slice(0, ERRORS_LOGGED_MAX))
    logger.warn('file cannot be read', { entry, path, error });
  const count = fresh.length - ERRORS_LOGGED_MAX;
  if (count > 0) logger.warn('more files cannot be read', { entry, count });
}
