import type { Logger } from '../../../runtime/logger.ts';
import type { Source } from './source.ts';
import type { SourceEvents } from './source-events.ts';

/** What is wrong with a file: a failure to look at it and one to read it end apart from each other. */
export class SourceErrors {
  readonly #source: Source;
  readonly #events: Pick<SourceEvents, 'onStateChange'>;
  #look = '';
  #read = '';

  constructor(source: Source, events: Pick<SourceEvents, 'onStateChange'>) {
    this.#source = source;
    this.#events = events;
  }

  /** Empty when all is well. */
  get last(): string {
    return this.#read || this.#look;
  }

  /** The latest outcome of a look; empty when it went well. */
  looked(error: string): void {
    if (this.#look === error) return;
    this.#look = error;
    this.#events.onStateChange(this.#source);
  }

  /** The latest outcome of a read. */
  wasRead(error: string): void {
    if (this.#read === error) return;
    this.#read = error;
    this.#events.onStateChange(this.#source);
  }
}

const ERRORS_TOLD = 3;

/** A cause that befalls thousands of files does not fill the log: the fleet shows each. */
export function tellNewErrors(
  errors: ReadonlyMap<string, string>,
  { former, entry, logger }: { former: ReadonlyMap<string, string>; entry: string; logger: Logger },
): void {
  const fresh = [...errors].filter(([path]) => !former.has(path));
  for (const [path, error] of fresh.slice(0, ERRORS_TOLD)) logger.warn("can't be read", { entry, path, error });
  const more = fresh.length - ERRORS_TOLD;
  if (more > 0) logger.warn("more files can't be read", { entry, files: more });
}
