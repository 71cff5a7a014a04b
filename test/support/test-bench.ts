import { createWorkbenches, type Workbench } from '../../agent/encode/work-pool.ts';

/** A workbench for a test, like those that routes take from the pool. */
export function testBench(): Workbench {
  const [bench] = createWorkbenches(1);
  return bench as Workbench;
}
