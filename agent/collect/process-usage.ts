import { readdirSync, statSync } from 'node:fs';
import type { Clock } from '../../runtime/clock.ts';
import { errorCode } from '../../runtime/errors.ts';
import { descriptorLimit } from './files/file-budget.ts';

/**
 * A sample this soon after the last one returns the last one: a share of a short time says little.
 */
const SAMPLE_MIN_MS = 1_000;
const DESCRIPTORS = '/proc/self/fd';

/** The resources that the process uses. */
export interface Usage {
  cpuCores: number;
  eventLoopUtilization: number;
  openDescriptors: number;
  descriptorsMax: number;
  residentBytes: bigint;
}

/** Measures the process's resources between one sample and the next. */
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
      residentBytes: residentBytes() ?? this.#last?.residentBytes ?? 0n,
    };
    [this.#atMs, this.#cpu, this.#loop] = [nowMs, process.cpuUsage(), performance.eventLoopUtilization()];
    return this.#last;
  }
}

/** undefined: no descriptor is free to read it with. */
function residentBytes(): bigint | undefined {
  try {
    return BigInt(process.memoryUsage.rss());
  } catch (error) {
    if (errorCode(error) === 'EMFILE' || errorCode(error) === 'ENFILE') return undefined;
    throw error;
  }
}

function openDescriptors(): number {
  try {
    // Since Linux 6.2 the folder's size is their count (proc(5)), which is faster than listing
    // them.
    return statSync(DESCRIPTORS).size || readdirSync(DESCRIPTORS).length;
  } catch {
    // Not Linux.
    return 0;
  }
}
