import assert from 'node:assert/strict';
import { type ServiceError, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { etagRevision } from '../../proto/rules/etag.ts';
import type { EntryState, FleetModel } from './fleet-model.ts';
import type { FleetSystem } from './fleet-system.ts';
import { SELECTORS } from './selectors.ts';

const IDS = ['a', 'b', 'c', 'd'];

interface OneWrite {
  kind: 'create' | 'update' | 'delete' | 'rollback';
  id: string;
  selector: string;
  /** The acknowledged revision that a rollback goes to, as a fraction of all. */
  back: number;
  /** How a creation or an update is rolled out; empty: to all agents at once. */
  steps: readonly { canary: string; wait_ms?: number }[];
}

/** A write as the model knows it: of one entry, or of several at once. */
export interface Write {
  via: number;
  writes: readonly OneWrite[];
}

const all = { canary: 'all' };
/** The first plan does not proceed by itself. */
const PLANS = [
  [{ canary: '1', wait_ms: 3_600_000 }, all],
  [{ canary: '50%' }, all],
  [{ canary: 'role=a', wait_ms: 500 }, { canary: '3' }, all],
];

const oneWrite: fc.Arbitrary<OneWrite> = fc.record({
  kind: fc.constantFrom('create', 'create', 'update', 'update', 'update', 'delete', 'rollback'),
  id: fc.constantFrom(...IDS),
  selector: fc.constantFrom(...SELECTORS.map(({ text }) => text)),
  back: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  steps: fc.constantFrom([], [], ...PLANS),
});

const via = fc.nat({ max: 1 });

export const anyWrite: fc.Arbitrary<Write> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ via, writes: oneWrite.map((one) => [one]) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      via,
      writes: fc
        .uniqueArray(oneWrite, { minLength: 2, maxLength: 4, selector: ({ id }) => id })
        .map((all) => all.map((one) => (one.kind === 'rollback' ? { ...one, kind: 'update' as const } : one))),
    }),
  },
);

let count = 0;

/**
 * Makes the write and tells the model the outcome. Rejects with an outcome that a write can't have.
 */
export async function makeWrite(model: FleetModel, real: FleetSystem, { via: first, writes }: Write): Promise<void> {
  const controller = model.controllers[first] ? first : 1 - first;
  const planned = writes.map((write) => plan(model, write));
  const [only] = planned;
  try {
    if (only && planned.length === 1) {
      const { etag = '' } = await real.call(controller, only.method, only.request);
      model.acknowledge(only.id, only.state, etagRevision(etag), only.inSteps);
      return;
    }
    const parts = planned.map(({ kind, request }) => ({ [kind]: request }));
    const { revision } = await real.call(controller, 'BatchApply', { writes: parts });
    for (const { id, state, inSteps } of planned) model.acknowledge(id, state, revision, inSteps);
  } catch (error) {
    refused(model, planned, error as ServiceError);
  }
}

interface Planned {
  kind: OneWrite['kind'];
  id: string;
  method: string;
  request: Record<string, unknown>;
  state: EntryState;
  inSteps: boolean;
}

function plan(model: FleetModel, { kind, id, selector, back, steps }: OneWrite): Planned {
  const name = `entries/${id}`;
  const owner = `write-${++count}`;
  const entry = { paths: ['/x/*.log'], topic: 't', owner, selector };
  const inSteps = steps.length > 0;
  const rollout = inSteps && { rollout: { steps } };
  const acknowledged = [...model.known(id).acknowledged];
  const target = acknowledged[Math.floor(back * acknowledged.length)];
  if (kind === 'create') {
    const request = { entry_id: id, entry, ...rollout };
    return { kind, id, method: 'CreateEntry', request, state: { owner, selector }, inSteps };
  }
  if (kind === 'delete')
    return { kind, id, method: 'DeleteEntry', request: { name }, state: undefined, inSteps: false };
  if (kind === 'rollback' && target) {
    const [revision, state] = target;
    return { kind, id, method: 'RollbackEntry', request: { name, revision }, state, inSteps: false };
  }
  const request = { entry: { ...entry, name }, update_mask: { paths: ['owner', 'selector'] }, ...rollout };
  return { kind: 'update', id, method: 'UpdateEntry', request, state: { owner, selector }, inSteps };
}

function refused(model: FleetModel, planned: readonly Planned[], error: ServiceError): void {
  switch (error.code) {
    case status.UNAVAILABLE:
      for (const { id, state, inSteps } of planned) model.doubt(id, state, inSteps);
      return;
    case status.FAILED_PRECONDITION:
      model.isRolledOut(meant(planned, error));
      return;
    case status.ALREADY_EXISTS:
    case status.NOT_FOUND: {
      const isThere = error.code === status.ALREADY_EXISTS;
      model.learn(meant(planned, error), isThere);
      return;
    }
    default:
      throw error;
  }
}

/** Of several writes, only the name in the error's text says which one failed. */
function meant(planned: readonly Planned[], { details }: ServiceError): string {
  return planned.find(({ id }) => details.includes(`entries/${id}`))?.id ?? planned[0]?.id ?? '';
}

/** What an operator does with a rollout. */
export interface Steering {
  via: number;
  id: string;
  method: 'PauseRollout' | 'ResumeRollout' | 'UndoRollout';
}

export const anySteering: fc.Arbitrary<Steering> = fc.record({
  via,
  id: fc.constantFrom(...IDS),
  method: fc.constantFrom('PauseRollout', 'PauseRollout', 'PauseRollout', 'ResumeRollout', 'UndoRollout'),
});

/**
 * Acts on a rollout, if there is one, and tells the model the outcome. Rejects with an impossible
 * outcome.
 */
export async function steer(model: FleetModel, real: FleetSystem, { via: first, id, method }: Steering): Promise<void> {
  const controller = model.controllers[first] ? first : 1 - first;
  const { before } = model.known(id);
  try {
    const { revision, deleted } = await real.call(controller, method, { name: `entries/${id}` }, 'RolloutService');
    assert.ok(before.length > 0, `${id} has a rollout, and nobody has begun one`);
    if (method === 'UndoRollout') model.undone(id, revision, deleted);
  } catch (error) {
    const { code } = error as ServiceError;
    if (code === status.UNAVAILABLE && method === 'UndoRollout') model.undone(id, undefined, false);
    else if (![status.UNAVAILABLE, status.NOT_FOUND, status.FAILED_PRECONDITION].includes(code)) throw error;
  }
}
