import fc from 'fast-check';
import { COMMANDS } from './commands.ts';
import { FleetModel } from './fleet-model.ts';
import { FleetSystem } from './fleet-system.ts';
import { AGENT_LABELS } from './selectors.ts';

export interface ModelOptions {
  seed: number;
  runs: number;
  /** The most commands of each run. */
  commands: number;
  /** Searches for the shortest failing sequence. Each attempt starts all processes again. */
  shrink: boolean;
  say?: (text: string) => void;
}

/**
 * Runs random sequences of what may happen to a fleet, drawn by the seed; afterwards all must
 * agree. Rejects with the sequence that failed.
 */
export async function runModel({ seed, runs, commands, shrink, say = () => {} }: ModelOptions): Promise<void> {
  let run = 0;
  const sequences = fc.commands(COMMANDS, { maxCommands: commands, size: 'max' });
  const property = fc.asyncProperty(sequences, async (sequence) => {
    await using real = await FleetSystem.start();
    const model = new FleetModel(AGENT_LABELS.length);
    await fc.asyncModelRun(() => ({ model, real }), sequence);
    await allAgrees(model, real);
    say(`run ${++run}: ${[...sequence].length} commands, ${model.ids.length} names`);
  });
  await fc.assert(property, { seed, numRuns: runs, endOnFailure: !shrink });
}

/** Everything runs again and is compared with the model. */
async function allAgrees(model: FleetModel, real: FleetSystem): Promise<void> {
  if (!model.etcd) await real.etcd.start();
  for (const [index, runs] of model.controllers.entries()) if (!runs) await real.startController(index);
  for (const [index, connected] of model.agents.entries()) if (!connected) real.connect(index);
  await real.settle(model);
}
