import { readdirSync, statSync } from 'node:fs';
import type { Clock } from '../../runtime/clock.ts';
import { descriptorLimit } from './files/file-budget.ts';

/** What is asked sooner after the last time is told the same: a share of a short time says nothing. */
const SAMPLE_MIN_MS = 1_000;
const DESCRIPTORS = '/proc/self/fd';

/** What the process takes of its machine. */
export interface Usage {
  cpuCores: number;
  eventLoopUtilization: number;
  openDescriptors: number;
  descriptorsMax: number;
}

/** Measures what the process takes, from one time that somebody asks to the next. */
export class ProcessUsage {
  readonly #clock: Clock;
  readonly #descriptorsMax: number;
  #atMs: number;
  #cpu = process.cpuUsage();
  #loop = performance.eventLoopUtilization();
  #last: Usage | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#atMs = clock.monotonicMs();
    const limit = descriptorLimit();
    this.#descriptorsMax = Number.isFinite(limit) ? limit : 0;
  }

  sample(): Usage {
    const nowMs = this.#clock.monotonicMs();
    const elapsedMs = nowMs - this.#atMs;
    if (this.#last && elapsedMs < SAMPLE_MIN_MS) return this.#last;
    const { user, system } = process.cpuUsage(this.#cpu);
    this.#last = {
      cpuCores: elapsedMs > 0 ? (user + system) / 1000 / elapsedMs : 0,
      eventLoopUtilization: performance.eventLoopUtilization(this.#loop).utilization,
      openDescriptors: openDescriptors(),
      descriptorsMax: this.#descriptorsMax,
    };
    [this.#atMs, this.#cpu, this.#loop] = [nowMs, process.cpuUsage(), performance.eventLoopUtilization()];
    return this.#last;
  }
}

function openDescriptors(): number {
  try {
    // Since Linux 6.2 their count is the folder's size (proc(5)); to list tens of thousands takes its time.
    return statSync(DESCRIPTORS).size || readdirSync(DESCRIPTORS).length;
  } catch {
    // Not Linux.
    return 0;
  }
}
