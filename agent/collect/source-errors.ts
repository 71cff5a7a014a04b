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
