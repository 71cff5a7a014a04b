import assert from 'node:assert/strict';
import type { Phase } from '../../model/checkpoint.ts';

/**
 * What the agent does with a generation's file. Not stored: each process begins with `closed`.
 * - reading: lines are read and sent. The file is at a path that the entry matches.
 * - paused: no line is read, because the entry or the agent is paused. What was sent may still be
 *   acknowledged.
 * - draining: as reading, but the file has left the entry's paths: it was renamed or deleted.
 * - unmatched: no line is read, because the entry's globs no longer match the path. The file is
 *   closed as soon as every batch with its lines has a response.
 * - closed: no line is read from now on. The file may be open for its next generation.
 */
export type Activity = 'reading' | 'paused' | 'draining' | 'unmatched' | 'closed';

/**
 * A last line without a terminator is *held*, because its writer may continue it. It is *due* when
 * the file has not grown for its grace period, so the file counts as complete.
 */
export type LastLine = 'held' | 'due';

/** One state of a generation. There is one object per state, shared by all sources. */
export interface LifecycleState {
  readonly activity: Activity;
  /** Stored, see Phase. */
  readonly phase: Phase;
  readonly lastLine: LastLine;
}

/**
 * What a transition leads to. Effects are performed only if the event changed the state.
 * - store: the checkpoint is noted for the next flush.
 * - report: listeners learn that a file has another state.
 * - wake: the source reads what it has not read yet.
 * - stopTimer: the source no longer wakes by itself.
 * - releaseCaches: the source frees what it can make again.
 */
export type Effect = 'store' | 'report' | 'wake' | 'stopTimer' | 'releaseCaches';

interface Transition {
  /** The next activity by the present one. An activity that is missing does not allow the event. */
  readonly activity: Readonly<Partial<Record<Activity, Activity>>>;
  /** The next phase by the present one. A phase that is missing does not allow the event. */
  readonly phase: Readonly<Partial<Record<Phase, Phase>>>;
  /** Undefined: held if the activity changes, else as it was. */
  readonly lastLine?: LastLine;
  readonly effects: readonly Effect[];
}

const open = { reading: 'reading', paused: 'paused', draining: 'draining', unmatched: 'unmatched' } as const;
const allClose = { reading: 'closed', paused: 'closed', draining: 'closed', unmatched: 'closed' } as const;
const present = { live: 'live', rotated: 'rotated', sealed: 'sealed' } as const;
const anyPhase = { ...present, away: 'away', ended: 'ended', vanished: 'vanished' } as const;

/** The events of a generation: the only ways from one state to another. */
export const transitions = {
  /** Its file was opened to be read. A complete one has grown, or has returned. */
  opened: {
    activity: { closed: 'reading' },
    phase: { live: 'live', rotated: 'rotated', sealed: 'rotated', away: 'live' },
    effects: [],
  },
  /** Its file was opened only to send lines again. */
  openedForReplay: { activity: { closed: 'reading' }, phase: present, effects: [] },
  /** Its entry, or the agent, was paused. */
  paused: {
    activity: { ...open, closed: 'closed', reading: 'paused', draining: 'paused' },
    phase: anyPhase,
    effects: ['stopTimer'],
  },
  /** Neither its entry nor the agent is paused. The next scan shows whether it has left. */
  resumed: { activity: { ...open, closed: 'closed', paused: 'reading' }, phase: anyPhase, effects: [] },
  /** A scan found it at no path of the entry. */
  left: { activity: { ...open, reading: 'draining' }, phase: present, effects: ['report'] },
  /** A scan or a file event found it at a path of the entry. */
  found: { activity: { ...open, draining: 'reading', unmatched: 'reading' }, phase: present, effects: [] },
  /** The entry's globs have changed and do not match its path. */
  unmatched: {
    activity: { reading: 'unmatched', paused: 'unmatched', draining: 'unmatched', unmatched: 'unmatched' },
    phase: present,
    effects: ['stopTimer'],
  },
  /** Another file took the path that it had before it was renamed. */
  rotated: { activity: open, phase: { live: 'rotated' }, effects: ['store'] },
  /** It has not grown for its grace period. */
  quiet: {
    activity: { reading: 'reading', draining: 'draining' },
    phase: { live: 'live', rotated: 'rotated' },
    lastLine: 'due',
    effects: ['wake'],
  },
  /** It has grown within its grace period. */
  growing: {
    activity: { reading: 'reading', draining: 'draining' },
    phase: { live: 'live', rotated: 'rotated' },
    lastLine: 'held',
    effects: [],
  },
  /** It was complete, was opened for a replay, and has grown. */
  unsealed: { activity: { ...open, closed: 'closed' }, phase: { sealed: 'rotated' }, effects: ['store'] },
  /** Another file has its path, and all of it is acknowledged. */
  sealed: {
    activity: { reading: 'closed', draining: 'closed' },
    phase: { rotated: 'sealed', sealed: 'sealed' },
    effects: ['releaseCaches', 'report'],
  },
  /** It left the entry's paths, and all of it is acknowledged. */
  retired: {
    activity: { draining: 'closed' },
    phase: { live: 'away', rotated: 'away' },
    effects: ['releaseCaches', 'report'],
  },
  /** It is unmatched, and the outcome of every segment is known. */
  dropped: { activity: { unmatched: 'closed' }, phase: present, effects: ['releaseCaches', 'report'] },
  /** The agent keeps its position and stops reading: the agent stops, or the file is not found. */
  released: { activity: allClose, phase: present, effects: ['releaseCaches'] },
  /** The generation's content no longer exists, and all that it had was seen. */
  ended: {
    activity: { ...allClose, closed: 'closed' },
    phase: { live: 'ended', rotated: 'ended', sealed: 'ended', ended: 'ended' },
    effects: ['store', 'releaseCaches'],
  },
  /** The generation's content no longer exists, and it may have had more than was seen. */
  vanished: {
    activity: { ...allClose, closed: 'closed' },
    phase: { live: 'vanished', rotated: 'vanished', sealed: 'vanished', vanished: 'vanished' },
    effects: ['store', 'releaseCaches'],
  },
  /** Its file was truncated, and the generation continues in a copy that has all its content. */
  continuedInCopy: {
    activity: { closed: 'reading' },
    phase: { ended: 'live', vanished: 'live' },
    effects: ['wake'],
  },
} as const satisfies Record<string, Transition>;

export type LifecycleEvent = keyof typeof transitions;

const states = new Map<string, LifecycleState>();

/** The state in which a process begins with a generation that the state database has. */
export function closedIn(phase: Phase): LifecycleState {
  return stateOf('closed', phase, 'held');
}

/** The state after `event`; undefined if `state` does not allow it. */
export function transition(state: LifecycleState, event: LifecycleEvent): LifecycleState | undefined {
  const rule: Transition = transitions[event];
  const activity = rule.activity[state.activity];
  const phase = rule.phase[state.phase];
  if (!activity || !phase) return undefined;
  const kept = activity === state.activity ? state.lastLine : 'held';
  return stateOf(activity, phase, rule.lastLine ?? kept);
}

/** The state after `event`. Throws if `state` does not allow it: that is a defect of the caller. */
export function requireTransition(state: LifecycleState, event: LifecycleEvent): LifecycleState {
  const next = transition(state, event);
  assert(next, `a generation that is ${state.activity} and ${state.phase} can not be ${event}`);
  return next;
}

function stateOf(activity: Activity, phase: Phase, lastLine: LastLine): LifecycleState {
  const name = `${activity}/${phase}/${lastLine}`;
  const known = states.get(name) ?? { activity, phase, lastLine };
  states.set(name, known);
  return known;
}
