import type { Phase } from '../../model/checkpoint.ts';
import {
  closedIn,
  type LifecycleEvent,
  type LifecycleState,
  requireTransition,
  type StateChange,
  withChange,
} from './lifecycle.ts';

/** The state of a generation in this process, and how it came to it. Only events change it. */
export class GenerationState {
  #state: LifecycleState;
  #history: readonly StateChange[] = [];

  constructor(phase: Phase) {
    this.#state = closedIn(phase);
  }

  get state(): LifecycleState {
    return this.#state;
  }

  /** Its last states, the present one last. The array is replaced when the state changes. */
  get history(): readonly StateChange[] {
    return this.#history;
  }

  /**
   * Changes the state. Returns whether it changed. Throws if it does not allow the event. `wallMs`:
   * the time now, ms since the epoch.
   */
  apply(event: LifecycleEvent, wallMs: number): boolean {
    const before = this.#state;
    this.#state = requireTransition(before, event);
    if (this.#state === before) return false;
    this.#history = withChange(this.#history, this.#state, event, wallMs);
    return true;
  }
}
