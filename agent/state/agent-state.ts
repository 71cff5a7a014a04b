import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { CheckpointStore, LOST_KEY } from './checkpoint-store.ts';
import { FactStore } from './fact-store.ts';
import { IntentStore } from './intent-store.ts';
import { bindToMachine } from './machine.ts';
import { hasAside, restoreState } from './state-copy.ts';
import { type Durability, StateDatabase, StateError, stateFile } from './state-database.ts';

export interface StateOptions {
  stateDir: string;
  durability: Durability;
  /** What becomes of lines while the state can't be written. */
  stateFailure: 'hold' | 'deliver';
  /** Facts are to be written to the audit topic. */
  audit: boolean;
}

/** All that an agent keeps on its disk. */
export interface AgentState {
  state: StateDatabase;
  store: CheckpointStore;
  facts: FactStore;
  intents: IntentStore;
  /** Positions were lost with a damaged state: what is on the disk must be read from its beginning, for better twice than never. */
  lost: boolean;
}

/**
 * Opens the agent's state. One that is damaged (torn or zeroed by a crash of the machine) is put aside, and the last copy of it takes its
 * place. Throws StateError.
 */
export function openAgentState(options: StateOptions, tools: { clock: Clock; logger: Logger }): AgentState {
  const { stateDir, durability } = options;
  const state = openOrRestore(stateDir, durability, tools);
  try {
    return { state, lost: positionsAreLost(state), ...partsOf(state, options, tools) };
  } catch (error) {
    state.close();
    throw error;
  }
}

function partsOf(
  state: StateDatabase,
  { stateDir, stateFailure, audit }: StateOptions,
  tools: { clock: Clock; logger: Logger },
): Omit<AgentState, 'state' | 'lost'> {
  if (!bindToMachine(state)) {
    tools.logger.warn('the state was copied from another machine: the producer ids in it are not used', { stateDir });
  }
  const intents = new IntentStore(state, stateFailure === 'hold');
  return { store: new CheckpointStore(state), facts: new FactStore(state, { ...tools, audit }), intents };
}

function openOrRestore(
  stateDir: string,
  durability: Durability,
  { clock, logger }: { clock: Clock; logger: Logger },
): StateDatabase {
  for (let copied = true; ; ) {
    try {
      return StateDatabase.open(stateDir, durability);
    } catch (error) {
      if (!(error instanceof StateError) || error.code !== 'UNREADABLE' || !copied) throw error;
      const restored = restoreState(stateFile(stateDir), clock.nowMs());
      copied = restored.copied;
      const fields = { stateDir, error, aside: restored.aside };
      if (copied)
        logger.error('the state is damaged: going on from its last copy; lines sent since may come twice', fields);
      else logger.error('the state is damaged and there is no copy: all files are read from their beginning', fields);
    }
  }
}

/**
 * Whether the state began anew, in the place of a damaged one, and what was on the disk then is not found yet. That is kept: a process that
 * is killed before it has found it leaves that to the next one.
 */
function positionsAreLost(state: StateDatabase): boolean {
  const { db, file } = state;
  const has = (key: string) => db.prepare('SELECT 1 FROM meta WHERE key = ?').get(key) !== undefined;
  if (has(LOST_KEY)) return true;
  if (has('machine') || !hasAside(file)) return false;
  state.transaction(() => db.prepare('INSERT INTO meta VALUES (?, ?)').run(LOST_KEY, ''));
  return true;
}
