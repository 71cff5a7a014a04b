/** What keeps a file from being looked at, or read. */
export class SourceTrouble {
  readonly #errors = { look: '', read: '' };
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Empty when all is well. */
  get text(): string {
    return this.#errors.read || this.#errors.look;
  }

  became(part: 'look' | 'read', error: string): void {
    if (this.#errors[part] === error) return;
    this.#errors[part] = error;
    this.#onChange();
  }
}
