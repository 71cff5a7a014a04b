import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { CheckpointStore } from './checkpoint-store.ts';
import { FactStore } from './fact-store.ts';
import { IntentStore } from './intent-store.ts';
import { bindToMachine } from './machine.ts';
import { restoreState } from './state-copy.ts';
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
  const { state, lost } = openOrRestore(stateDir, durability, tools);
  try {
    return { state, lost, ...partsOf(state, options, tools) };
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
): Pick<AgentState, 'state' | 'lost'> {
  for (let copied = true; ; ) {
    try {
      return { state: StateDatabase.open(stateDir, durability), lost: !copied };
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
