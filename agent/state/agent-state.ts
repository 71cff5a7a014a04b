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
  /** Whether lines wait or are sent while the state can't be written. */
  stateFailure: 'hold' | 'deliver';
  /** Whether facts are written to the audit topic. */
  audit: boolean;
}

export interface AgentStateDependencies {
  clock: Clock;
  logger: Logger;
}

/** All that an agent stores on its disk. */
export interface AgentState {
  state: StateDatabase;
  store: CheckpointStore;
  facts: FactStore;
  intents: IntentStore;
  /**
   * Positions were lost with a damaged state: existing files must be read from the beginning,
   * because duplicates are better than losses.
   */
  lost: boolean;
}

/**
 * Opens the agent's state. A damaged one (torn or zeroed by a crash of the machine) is moved aside
 * and replaced by its last copy. Throws StateError.
 */
export function openAgentState(options: StateOptions, needs: AgentStateDependencies): AgentState {
  const { stateDir, durability } = options;
  const state = openOrRestore(stateDir, durability, needs);
  try {
    return { state, lost: positionsAreLost(state), ...openParts(state, options, needs) };
  } catch (error) {
    state.close();
    throw error;
  }
}

function openParts(
  state: StateDatabase,
  { stateFailure, audit }: StateOptions,
  { clock, logger }: AgentStateDependencies,
): Omit<AgentState, 'state' | 'lost'> {
  if (!bindToMachine(state)) {
    logger.warn('the state was copied from another machine: its producer ids are not used', { file: state.file });
  }
  const intents = new IntentStore(state, stateFailure === 'hold');
  return { store: new CheckpointStore(state), facts: new FactStore(state, { clock, logger, audit }), intents };
}

function openOrRestore(
  stateDir: string,
  durability: Durability,
  { clock, logger }: AgentStateDependencies,
): StateDatabase {
  for (let copied = true; ; ) {
    try {
      return StateDatabase.open(stateDir, durability);
    } catch (error) {
      if (!(error instanceof StateError) || error.code !== 'UNREADABLE' || !copied) throw error;
      const restored = restoreState(stateFile(stateDir), clock.nowMs());
      copied = restored.copied;
      const fields = { file: stateFile(stateDir), aside: restored.aside, error };
      if (copied)
        logger.error('the state is damaged: its last copy is used; lines sent since then may arrive twice', fields);
      else logger.error('the state is damaged and has no copy: all files are read from the beginning', fields);
    }
  }
}

/**
 * Whether the state is new, in place of a damaged one, and the files that existed then are not
 * found yet. That is stored, so a process that is killed before it finds them leaves it to the next
 * one.
 */
function positionsAreLost(state: StateDatabase): boolean {
  const { db, file } = state;
  const has = (key: string) => db.prepare('SELECT 1 FROM meta WHERE key = ?').get(key) !== undefined;
  if (has(LOST_KEY)) return true;
  if (has('machine') || !hasAside(file)) return false;
  state.transaction(() => db.prepare('INSERT INTO meta VALUES (?, ?)').run(LOST_KEY, ''));
  return true;
}
