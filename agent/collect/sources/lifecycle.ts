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
  /** What has happened, for people. */
  readonly reason: string;
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
  /** A complete one has grown, or one that was not found has returned. */
  opened: {
    reason: 'its file was opened',
    activity: { closed: 'reading' },
    phase: { live: 'live', rotated: 'rotated', sealed: 'rotated', away: 'live', vanished: 'live' },
    effects: [],
  },
  openedForReplay: {
    reason: 'its file was opened to send lines again',
    activity: { closed: 'reading' },
    phase: present,
    effects: [],
  },
  paused: {
    reason: 'its entry or the agent was paused',
    activity: { ...open, closed: 'closed', reading: 'paused', draining: 'paused' },
    phase: anyPhase,
    effects: ['stopTimer'],
  },
  /** The next scan shows whether it has left. */
  resumed: {
    reason: 'neither its entry nor the agent is paused',
    activity: { ...open, closed: 'closed', paused: 'reading' },
    phase: anyPhase,
    effects: [],
  },
  left: {
    reason: 'it was found at no path of the entry: it was renamed or deleted',
    activity: { ...open, reading: 'draining' },
    phase: present,
    effects: ['report'],
  },
  found: {
    reason: 'it was found at a path of the entry',
    activity: { ...open, draining: 'reading', unmatched: 'reading' },
    phase: present,
    effects: [],
  },
  unmatched: {
    reason: "the entry's paths have changed and do not match it",
    activity: { reading: 'unmatched', paused: 'unmatched', draining: 'unmatched', unmatched: 'unmatched' },
    phase: present,
    effects: ['stopTimer'],
  },
  rotated: {
    reason: 'another file has taken the path that it had',
    activity: open,
    phase: { live: 'rotated' },
    effects: ['store'],
  },
  quiet: {
    reason: 'it has not grown for its grace period',
    activity: { reading: 'reading', draining: 'draining' },
    phase: { live: 'live', rotated: 'rotated' },
    lastLine: 'due',
    effects: ['wake'],
  },
  growing: {
    reason: 'it has grown within its grace period',
    activity: { reading: 'reading', draining: 'draining' },
    phase: { live: 'live', rotated: 'rotated' },
    lastLine: 'held',
    effects: [],
  },
  unsealed: {
    reason: 'it was complete and has grown',
    activity: { ...open, closed: 'closed' },
    phase: { sealed: 'rotated' },
    effects: ['store'],
  },
  sealed: {
    reason: 'another file has its path, and all of it is acknowledged',
    activity: { reading: 'closed', draining: 'closed' },
    phase: { rotated: 'sealed', sealed: 'sealed' },
    effects: ['releaseCaches', 'report'],
  },
  retired: {
    reason: "it left the entry's paths, and all of it is acknowledged",
    activity: { draining: 'closed' },
    phase: { live: 'away', rotated: 'away' },
    effects: ['releaseCaches', 'report'],
  },
  dropped: {
    reason: 'no path of the entry matches it, and each batch has a response',
    activity: { unmatched: 'closed' },
    phase: present,
    effects: ['releaseCaches', 'report'],
  },
  released: {
    reason: 'the agent keeps its position and stops reading',
    activity: allClose,
    phase: present,
    effects: ['releaseCaches'],
  },
  ended: {
    reason: 'its content no longer exists, and all that it had was seen',
    activity: { ...allClose, closed: 'closed' },
    phase: { live: 'ended', rotated: 'ended', sealed: 'ended', ended: 'ended' },
    effects: ['store', 'releaseCaches'],
  },
  vanished: {
    reason: 'its content no longer exists, and it may have had more than was seen',
    activity: { ...allClose, closed: 'closed' },
    phase: { live: 'vanished', rotated: 'vanished', sealed: 'vanished', vanished: 'vanished' },
    effects: ['store', 'releaseCaches'],
  },
  concluded: {
    reason: 'its file was not found, its end is recorded, and it may return',
    activity: { closed: 'closed' },
    phase: { vanished: 'away' },
    effects: [],
  },
  continuedInCopy: {
    reason: 'its file was truncated, and a copy has its content',
    activity: { closed: 'reading' },
    phase: { ended: 'live', vanished: 'live' },
    effects: ['wake'],
  },
} as const satisfies Record<string, Transition>;

export type LifecycleEvent = keyof typeof transitions;

/** A state of a generation, for people: FileStateChange of the public contract. */
export interface StateChange {
  readonly time: Date;
  readonly state: string;
  readonly reason: string;
}

/** How many changes of a file are kept. */
const CHANGES_MAX = 5;

/** The last changes of a file, with one to `state` at `timeMs` (ms since the epoch). */
export function withChange(
  changes: readonly StateChange[],
  { activity, phase, lastLine }: LifecycleState,
  event: LifecycleEvent,
  timeMs: number,
): readonly StateChange[] {
  const state = [activity, phase === 'live' ? [] : phase, lastLine === 'due' ? 'last line due' : []].flat().join(', ');
  return [...changes.slice(1 - CHANGES_MAX), { time: new Date(timeMs), state, reason: transitions[event].reason }];
}

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

/** Whether the file's lines are read. */
export function isActive({ activity }: Pick<LifecycleState, 'activity'>): boolean {
  return activity === 'reading' || activity === 'draining';
}
