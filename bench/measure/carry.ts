import { systemClock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import { addTo, type Input } from '../inputs/write-input.ts';
import type { Job, Tool } from '../tools/tool.ts';
import type { Fixture } from './fixture.ts';
import { type RunningTool, startTool } from './running-tool.ts';
import type { TopicEnd } from './topic-end.ts';
import { TopicTail } from './topic-tail.ts';

/** One run of one tool, from its start until the topic has all records. */
export interface Pass {
  seconds: number;
  cpuSeconds: number;
  peakRssMib: number;
  /** Records in the topic at the end. More than expected means duplicates. */
  records: number;
  /** For a tool that ends by itself: its run time. */
  endedAfterSeconds?: number;
  /**
   * In the warm-up round: whether the topic's values are the lines, each once. Quotes are removed
   * first if the tool writes quotes.
   */
  faithful?: boolean;
  /** Why it did not finish. */
  failure?: string;
}

const LOOK_INTERVAL_MS = { min: 5, max: 100 };
const LOOKS_FOR_THE_REST = 4;
/** A tool that has ended may have delivered records that we have not seen yet. */
const LATE_SECONDS = 2;
const END_WAIT_MS = 15_000;
const REST_WAIT_SECONDS = 10;

export type Carried = Pick<Job, 'task' | 'compression'>;

/**
 * Runs a tool on an input; with `verify` it also reads the topic back. A tool's failure is in the
 * pass; other failures reject.
 */
export function carry(fixture: Fixture, tool: Tool, input: Input, what: Carried, verify = false): Promise<Pass> {
  return fixture.withTopic(async (topic, end) => {
    const job: Job = { ...what, paths: [input.path], topic, kafka: fixture.kafka, complete: true };
    await using running = await startTool(fixture, tool, job);
    const pass = await measure(running, end, input, what);
    if (pass.failure !== undefined) return pass;
    if (tool.ends) {
      await running.ended(END_WAIT_MS);
      pass.endedAfterSeconds = running.endedAfter() ?? Number.POSITIVE_INFINITY;
    }
    return verify ? { ...pass, ...(await readBack(job, tool, input, end)) } : pass;
  });
}

async function measure(running: RunningTool, end: TopicEnd, input: Input, { task }: Carried): Promise<Pass> {
  // A tool that follows files can't know that the last multiline record is complete. It waits by
  // some setting, which is not speed.
  const enough = task === 'multiline' ? input.records - 1 : input.records;
  const timeoutSeconds = 45 + input.bytes / 2 ** 22;
  for (;;) {
    const usage = running.usage();
    const records = await end.records();
    const seconds = running.seconds();
    const pass = { seconds, cpuSeconds: usage.cpuSeconds, peakRssMib: usage.peakRssMib, records };
    if (records >= enough) return pass;
    const endedAfter = running.endedAfter();
    if (endedAfter !== undefined && seconds > endedAfter + LATE_SECONDS) {
      const why = await running.check().catch(errorText);
      return { ...pass, failure: `${records} of ${input.records} records, then it ${why}` };
    }
    if (seconds > timeoutSeconds)
      return { ...pass, failure: `${records} of ${input.records} records after ${seconds.toFixed(0)} s` };
    const restMs = records === 0 ? 0 : ((enough - records) / records) * seconds * 1000;
    const intervalMs = Math.max(restMs / LOOKS_FOR_THE_REST, LOOK_INTERVAL_MS.min);
    await systemClock.sleep(Math.min(intervalMs, LOOK_INTERVAL_MS.max));
  }
}

async function readBack(
  { kafka, topic }: Job,
  { quotes = false }: Tool,
  input: Input,
  end: TopicEnd,
): Promise<Required<Pick<Pass, 'records' | 'faithful'>>> {
  let records = 0;
  let checksum = 0;
  await using tail = await TopicTail.open(kafka, topic, (bytes, start, stop) => {
    records++;
    const value = bytes.subarray(start, stop);
    checksum = addTo(checksum, quotes ? unquoted(value) : value);
  });
  const deadlineMs = systemClock.monotonicMs() + REST_WAIT_SECONDS * 1000;
  let lastRecords = -1;
  // Read everything the topic has, and at least as much as expected.
  for (let there = 0; records < input.records || records < there || lastRecords !== records; ) {
    lastRecords = records;
    tail.check();
    there = await end.records();
    if (systemClock.monotonicMs() > deadlineMs && lastRecords === records) break;
    await systemClock.sleep(LOOK_INTERVAL_MS.max);
  }
  return { records, faithful: records === input.records && checksum === input.checksum };
}

function unquoted(value: Buffer): Buffer | string {
  return value.includes('\\') ? (JSON.parse(value.toString()) as string) : value.subarray(1, -1);
}
