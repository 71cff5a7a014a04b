import type { Desired } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { desiredHash } from '../../proto/rules/desired-hash.ts';
import { CodedError } from '../../runtime/errors.ts';

export class DesiredStateError extends CodedError<'DIVERGED' | 'SENSELESS'> {}

/** The entries that the controller wants this agent to collect, built from its messages. */
export class DesiredState {
  #entries = new Map<string, Entry>();
  #hash = '';

  /** The hash of the desired state. Empty: unknown, so the controller must send a snapshot. */
  get hash(): string {
    return this.#hash;
  }

  get entries(): Entry[] {
    return [...this.#entries.values()];
  }

  /** Restores the state from the cache. */
  restore(entries: readonly Entry[]): void {
    this.#entries = new Map(entries.map((entry) => [entry.name, entry]));
    this.#hash = desiredHash(entries);
  }

  /** Makes the next Hello request a snapshot. */
  forget(): void {
    this.#hash = '';
  }

  /**
   * Applies a message of the controller. Returns whether the entries may have changed. Throws
   * DesiredStateError if the result is not what the controller meant; the next Hello then requests
   * a snapshot.
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
