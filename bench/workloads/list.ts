import { delay } from './delay.ts';
import { fleet } from './fleet.ts';
import { idle } from './idle.ts';
import { outage } from './outage.ts';
import { scaling } from './scaling.ts';
import { throughputWorkloads } from './throughput.ts';
import type { Workload } from './workload.ts';

/** All workloads, in the order in which they run. */
export const workloads: readonly Workload[] = [...throughputWorkloads, delay, idle, outage, scaling, fleet];
