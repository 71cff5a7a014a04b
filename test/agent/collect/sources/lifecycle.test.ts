import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import {
  type Activity,
  closedIn,
  type LifecycleEvent,
  type LifecycleState,
  requireTransition,
  transition,
  transitions,
} from '../../../../agent/collect/sources/lifecycle.ts';
import type { Phase } from '../../../../agent/model/checkpoint.ts';
import { lifecycleDiagram } from '../../../support/lifecycle-diagram.ts';

/** The next activity for each event. Equals sign: it stays. Dash: the event is illegal. */
const ACTIVITIES = `
event            reading    paused     draining   unmatched  closed
opened           -          -          -          -          reading
openedForReplay  -          -          -          -          reading
paused           paused     =          paused     =          =
resumed          =          reading    =          =          =
left             draining   =          =          =          -
found            =          =          reading    reading    -
unmatched        unmatched  unmatched  unmatched  =          -
rotated          =          =          =          =          -
quiet            =          -          =          -          -
growing          =          -          =          -          -
unsealed         =          =          =          =          =
sealed           closed     -          closed     -          -
retired          -          -          closed     -          -
dropped          -          -          -          closed     -
released         closed     closed     closed     closed     -
ended            closed     closed     closed     closed     =
vanished         closed     closed     closed     closed     =
concluded        -          -          -          -          =
continuedInCopy  -          -          -          -          reading
`;

/** The same for the phase. */
const PHASES = `
event            live       rotated    sealed     away       ended      vanished
opened           =          =          rotated    live       -          live
openedForReplay  =          =          =          -          -          -
paused           =          =          =          =          =          =
resumed          =          =          =          =          =          =
left             =          =          =          -          -          -
found            =          =          =          -          -          -
unmatched        =          =          =          -          -          -
rotated          rotated    -          -          -          -          -
quiet            =          =          -          -          -          -
growing          =          =          -          -          -          -
unsealed         -          -          rotated    -          -          -
sealed           -          sealed     =          -          -          -
retired          away       away       -          -          -          -
dropped          =          =          =          -          -          -
released         =          =          =          -          -          -
ended            ended      ended      ended      -          =          -
vanished         vanished   vanished   vanished   -          -          =
concluded        -          -          -          -          -          away
continuedInCopy  -          -          -          -          live       live
`;

const ALL_PHASES: readonly Phase[] = ['live', 'rotated', 'sealed', 'away', 'ended', 'vanished'];
const EVENTS = Object.keys(transitions) as LifecycleEvent[];

const nextActivity = parsed(ACTIVITIES);
const nextPhase = parsed(PHASES);

/** The cell of an event and a state: the next state, or undefined if the event is illegal. */
function parsed(table: string): (event: string, from: string) => string | undefined {
  const [head = [], ...rows] = table
    .trim()
    .split('\n')
    .map((line) => line.split(/ +/));
  assert.deepEqual(
    rows.map(([event]) => event),
    EVENTS,
  );
  const cells = new Map(rows.flatMap(([event, ...row]) => row.map((cell, at) => [`${event} ${head[at + 1]}`, cell])));
  return (event, from) => {
    const cell = cells.get(`${event} ${from}`);
    assert.ok(cell, `the table has no cell for ${event} in ${from}`);
    if (cell === '-') return undefined;
    return cell === '=' ? from : cell;
  };
}

/** All states to which some events lead from what a process begins with. */
function reachable(): LifecycleState[] {
  const found = new Set(ALL_PHASES.map(closedIn));
  // A Set's iteration visits what is added meanwhile.
  for (const state of found)
    for (const event of EVENTS) {
      const next = transition(state, event);
      if (next) found.add(next);
    }
  return [...found];
}

test('each event in each state has the next state that the tables say, or is illegal and throws', () => {
  for (const state of reachable()) {
    for (const event of EVENTS) {
      const what = `${event} in ${JSON.stringify(state)}`;
      const activity = nextActivity(event, state.activity);
      const phase = nextPhase(event, state.phase);
      if (!activity || !phase) {
        assert.equal(transition(state, event), undefined, what);
        assert.throws(() => requireTransition(state, event), { name: 'AssertionError' }, what);
        continue;
      }
      const kept = activity === state.activity ? state.lastLine : 'held';
      const lastLine = event === 'quiet' ? 'due' : event === 'growing' ? 'held' : kept;
      assert.deepEqual(requireTransition(state, event), { activity, phase, lastLine }, what);
    }
  }
});

test('there is one object for each state, so that sources share them', () => {
  const states = reachable();
  assert.equal(new Set(states.map((state) => JSON.stringify(state))).size, states.length);
});

test('only these states are reachable: no ended generation is open, and no closed one has a due line', () => {
  const expected: LifecycleState[] = [];
  const present: readonly Phase[] = ['live', 'rotated', 'sealed'];
  const open: readonly Activity[] = ['reading', 'paused', 'draining', 'unmatched'];
  for (const phase of ALL_PHASES) expected.push({ activity: 'closed', phase, lastLine: 'held' });
  for (const activity of open) for (const phase of present) expected.push({ activity, phase, lastLine: 'held' });
  for (const activity of ['reading', 'draining'] as const)
    for (const phase of ['live', 'rotated'] as const) expected.push({ activity, phase, lastLine: 'due' });
  const sorted = (states: readonly LifecycleState[]) => states.map((state) => Object.values(state).join(' ')).sort();
  assert.deepEqual(sorted(reachable()), sorted(expected));
});

test('a generation that has ended is read again only in a copy, or if its file was only not found', () => {
  const leaving = (phase: Phase) =>
    EVENTS.filter((event) => (transition(closedIn(phase), event) ?? closedIn(phase)).phase !== phase);
  assert.deepEqual(leaving('ended'), ['continuedInCopy']);
  assert.deepEqual(leaving('vanished'), ['opened', 'concluded', 'continuedInCopy']);
  for (const { phase, activity } of reachable())
    assert.ok(activity === 'closed' || !['ended', 'vanished'].includes(phase));
});

test('each change of the phase of an open generation is stored', () => {
  for (const state of reachable()) {
    for (const event of EVENTS) {
      const next = transition(state, event);
      if (!next || next.phase === state.phase) continue;
      const { effects } = transitions[event];
      // What opens a source mints its checkpoint. What finishes it stores or removes it.
      const storedByCaller = ['opened', 'concluded', 'continuedInCopy', 'sealed', 'retired'].includes(event);
      assert.equal(effects.some((effect) => effect === 'store') !== storedByCaller, true, event);
    }
  }
});

test('each event that closes a source frees its caches', () => {
  for (const [event, { activity, effects }] of Object.entries(transitions)) {
    const closes = Object.entries(activity).some(([from, to]) => from !== 'closed' && to === 'closed');
    assert.equal(
      effects.some((effect) => effect === 'releaseCaches'),
      closes,
      event,
    );
  }
});

test('the diagrams of docs/internals/identity.md are those of the table', async () => {
  const page = await readFile('docs/internals/identity.md', 'utf8');
  for (const diagram of [lifecycleDiagram('activity', ['closed']), lifecycleDiagram('phase', ['live'])])
    assert.ok(page.includes(diagram), `replace the diagram in docs/internals/identity.md by:\n${diagram}`);
});
