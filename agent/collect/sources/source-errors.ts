import { rethrowDefect } from '../../../runtime/errors.ts';
import type { Logger } from '../../../runtime/logger.ts';

/** What can fail on a file. */
export type FileOperation = 'observation' | 'read';

/**
 * What is wrong with a file. An error of an observation ends with the next observation, one of a
 * read with the next read. It is never changed: most of thousands of files share NO_ERRORS.
 */
export interface SourceErrors {
  readonly observation: string;
  readonly read: string;
  /** Empty: neither failed the last time. */
  readonly current: string;
}

export const NO_ERRORS: SourceErrors = { observation: '', read: '', current: '' };

/**
 * `errors` after an operation failed with `error`; undefined: it succeeded. The same object if
 * equal. Throws the error if it is a defect.
 */
export function withOutcome(errors: SourceErrors, operation: FileOperation, error: unknown): SourceErrors {
  rethrowDefect(error);
  const text = error === undefined ? '' : (error as Error).message;
  if (errors[operation] === text) return errors;
  const observation = operation === 'observation' ? text : errors.observation;
  const read = operation === 'read' ? text : errors.read;
  const current = read || observation;
  return current === '' ? NO_ERRORS : { observation, read, current };
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
