/** What is wrong with a file: a failure to look at it and one to read it end apart from each other. */
export class SourceErrors {
  readonly #errors = { look: '', read: '' };
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Empty when all is well. */
  get last(): string {
    return this.#errors.read || this.#errors.look;
  }

  /** The latest outcome; empty when it went well. */
  became(part: 'look' | 'read', error: string): void {
    if (this.#errors[part] === error) return;
    this.#errors[part] = error;
    this.#onChange();
  }
}
