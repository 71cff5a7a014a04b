import { createWorkbenches, type Workbench } from '../../agent/encode/work-pool.ts';

/** A workbench of its own, as a route takes it from the pool. */
export function testBench(): Workbench {
  const [bench] = createWorkbenches(1);
  return bench as Workbench;
}
