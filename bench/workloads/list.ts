import { delay } from './delay.ts';
import { throughputWorkloads } from './throughput.ts';
import type { Workload } from './workload.ts';

/** In the order in which all are run. */
export const workloads: readonly Workload[] = [...throughputWorkloads, delay];
