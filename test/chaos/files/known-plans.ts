import type { Operation, OperationKind, Plan, PlanSettings } from './plan.ts';

const SETTINGS: PlanSettings = {
  scanIntervalMs: 1_000,
  start: 'beginning',
  fileSystem: 'disk',
  layout: 'direct',
  restartsAtEnd: false,
};
/** The first file that the globs match. */
const FIRST = 1;

function step(kind: OperationKind, pauseMs = 0, more: Partial<Operation> = {}): Operation {
  return { pauseMs, kind, target: 0, choice: 0, amount: 40, ...more };
}

function plan(settings: Partial<PlanSettings>, ...operations: readonly Operation[]): Plan {
  return { seed: 0, settings: { ...SETTINGS, ...settings }, operations };
}

/** The agent starts, and has delivered what is there. */
const STARTED = [step('start'), step('await')];

const ROTATIONS = Array.from({ length: 3 }, () => [
  step('append', 0, { target: FIRST, amount: 400 }),
  step('rotate', 6_000, { target: FIRST, choice: 2 }),
  step('create', 50, { amount: 1 }),
]).flat();

/** Short plans, each of a kind of fault that files caused once. */
export const KNOWN_PLANS: Readonly<Record<string, Plan>> = {
  'a file rewritten with the same head just after a stop': plan(
    {},
    ...[step('create'), ...STARTED],
    step('append', 2_500, { target: FIRST, amount: 300 }),
    step('await'),
    step('stop', 300),
    step('rewrite-same-head', 0, { target: FIRST, amount: 300 }),
    step('start'),
  ),
  'a file rewritten during a stop, up to what an earlier read had': plan(
    {},
    ...[step('create', 0, { amount: 300 }), ...STARTED],
    step('append', 0, { target: FIRST, amount: 300 }),
    step('await'),
    step('stop', 1_000),
    step('rewrite-same-head', 0, { target: FIRST, amount: 20 }),
    step('start'),
  ),
  'a file truncated and written just after its first lines and a kill': plan(
    {},
    step('start'),
    step('create', 3_000, { amount: 300 }),
    step('await'),
    step('kill', 200),
    step('truncate', 0, { target: FIRST }),
    step('append', 0, { target: FIRST, amount: 600 }),
    step('start'),
  ),
  'an inode that another file gets just after its first lines and a kill': plan(
    {},
    step('start'),
    step('create', 3_000, { amount: 50 }),
    step('await'),
    step('kill', 200),
    step('recreate-same-inode', 0, { target: FIRST, amount: 200 }),
    step('start'),
  ),
  'an inode that a file with the same first line gets while the agent is down': plan(
    {},
    step('create', 0, { choice: 2, amount: 0 }),
    ...STARTED,
    step('stop', 8_000),
    step('recreate-same-inode', 0, { target: FIRST, choice: 2, amount: 20 }),
    step('start'),
  ),
  'NULs after a truncation by a writer without O_APPEND': plan(
    {},
    ...[step('create'), ...STARTED],
    step('truncate-hole', 0, { target: FIRST }),
    step('append', 500, { target: FIRST }),
  ),
  'a preallocated file': plan(
    {},
    step('start'),
    step('preallocate', 3_000),
    step('preallocate-write', 1_500),
    step('preallocate-write', 1_500),
    step('preallocate-cut', 4_000),
    step('rename-date', 500, { target: FIRST }),
  ),
  'a folder whose name is not UTF-8': plan({ layout: 'deep' }, step('create'), ...STARTED, step('folder-not-utf8')),
  'a file of the largest size': plan(
    { fileSystem: 'tmpfs' },
    ...[step('create'), ...STARTED],
    step('sparse-huge', 0, { choice: 1 }),
    step('append', 2_000, { target: FIRST }),
  ),
  'a file larger than 2^53': plan(
    { fileSystem: 'tmpfs' },
    ...[step('create'), ...STARTED],
    step('sparse-huge'),
    step('append', 2_000, { target: FIRST }),
  ),
  'the target of a link rotated while the agent is down': plan(
    { layout: 'links' },
    ...[step('create'), ...STARTED],
    step('stop', 2_500),
    step('append', 0, { target: FIRST }),
    step('rotate', 0, { target: FIRST }),
    step('start'),
  ),
  'a link to a folder that is retargeted while the agent is down': plan(
    { layout: 'latest' },
    ...[step('create'), ...STARTED],
    step('stop', 2_500),
    step('append', 0, { target: FIRST }),
    step('retarget-link', 0, { choice: 1 }),
    step('start'),
  ),
  'a folder renamed while the agent is down': plan(
    { layout: 'narrow' },
    ...[step('create'), ...STARTED],
    step('stop', 2_500),
    step('append', 0, { target: FIRST }),
    step('rename-folder', 0),
    step('start'),
  ),
  'the target of a link rotated in quick succession': plan(
    { layout: 'links', scanIntervalMs: 30_000 },
    step('create'),
    ...STARTED,
    ...ROTATIONS,
  ),
  'a file that an overlay copies up': plan(
    { fileSystem: 'overlay', restartsAtEnd: true },
    ...STARTED,
    step('append', 0, { target: FIRST, amount: 2 }),
    step('await'),
    step('append', 1_000, { target: FIRST, amount: 2 }),
    step('await'),
    step('stop'),
    step('start'),
  ),
  'what was there before the entry': plan(
    { start: 'end' },
    step('create'),
    step('start'),
    step('append', 8_000, { target: FIRST }),
  ),
};
