import assert from 'node:assert/strict';

/**
 * The states of a partition's producer.
 * - OPEN: sends.
 * - SETTLING: a batch has failed. Nothing is sent until all batches in flight have a response.
 * - RECOVERING: asks Kafka what it has, builds parked batches, or acquires a new producer id. The
 *   failed batches are then sent again in their order with their first sequences, so that the
 *   broker recognises repeats. A new process begins here if it has open intents.
 * - CLOSED: the agent stops.
 */
export type ProducerState = 'OPEN' | 'SETTLING' | 'RECOVERING' | 'CLOSED';

const TRANSITIONS: Readonly<Record<ProducerState, readonly ProducerState[]>> = {
  OPEN: ['SETTLING', 'RECOVERING', 'CLOSED'],
  SETTLING: ['OPEN', 'RECOVERING', 'CLOSED'],
  RECOVERING: ['OPEN', 'CLOSED'],
  CLOSED: [],
};

/** Returns `next` after asserting that it may follow `state`. */
export function transition(state: ProducerState, next: ProducerState): ProducerState {
  assert(TRANSITIONS[state].includes(next), `a producer goes from ${state} to ${next}`);
  return next;
}
