import type { Desired } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { desiredHash } from '../../proto/rules/desired-hash.ts';
import { CodedError } from '../../runtime/errors.ts';

export class DesiredStateError extends CodedError<'DIVERGED' | 'SENSELESS'> {}

/** What the controller wants of this agent, as far as its messages have told. */
export class DesiredState {
  #entries = new Map<string, Entry>();
  #hash = '';

  /** Empty: nothing is known, and the controller must send all. */
  get hash(): string {
    return this.#hash;
  }

  get entries(): Entry[] {
    return [...this.#entries.values()];
  }

  /** Takes what the cache had. */
  restore(entries: readonly Entry[]): void {
    this.#entries = new Map(entries.map((entry) => [entry.name, entry]));
    this.#hash = desiredHash(entries);
  }

  /** The next Hello asks for all. */
  forget(): void {
    this.#hash = '';
  }

  /**
   * Takes the controller's message; true when the entries may have changed. Throws DesiredStateError when the result is not the one
   * the controller means, and then knows nothing, so that the next Hello asks for all.
   */
  accept(message: Desired): boolean {
    switch (message.kind) {
      case 'KIND_UNCHANGED':
        break;
      case 'KIND_SNAPSHOT':
        this.#entries = new Map(message.upserts.map((entry) => [entry.name, entry]));
        break;
      case 'KIND_DELTA':
        for (const name of message.removed) this.#entries.delete(name);
        for (const entry of message.upserts) this.#entries.set(entry.name, entry);
        break;
      default:
        throw new DesiredStateError('SENSELESS', `the controller sent a message of unknown kind ${message.kind}`);
    }
    this.#hash = desiredHash(this.#entries.values());
    if (this.#hash !== message.hash) {
      this.forget();
      throw new DesiredStateError('DIVERGED', "the desired state differs from the controller's", { retryable: true });
    }
    return message.kind !== 'KIND_UNCHANGED';
  }
}
