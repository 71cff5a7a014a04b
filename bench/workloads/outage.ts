import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../runtime/clock.ts';
import { startLineWriter } from '../inputs/line-writer.ts';
import type { Fixture } from '../measure/fixture.ts';
import { orFailure } from '../measure/rounds.ts';
import { startTool } from '../measure/running-tool.ts';
import { until } from '../measure/steady.ts';
import { TopicEnd } from '../measure/topic-end.ts';
import { decimals, whole, writeReport } from '../report/report.ts';
import type { Job, Tool } from '../tools/tool.ts';
import type { Workload } from './workload.ts';

const FILES = 1_000;
const LINES_PER_SECOND = 10_000;
const DOWN_SECONDS = 60;
const FLOW_MS = 5_000;
const START_SECONDS = 60;
const CATCH_UP_SECONDS = 120;

interface Measured {
  /** From the broker's return until the topic has all lines that were written before it. */
  catchUpSeconds: number;
  cpuSeconds: number;
  peakRssMib: number;
  written: number;
  records: number;
}

export const outage: Workload = {
  name: 'outage',
  about: `the broker down for a minute, ${FILES.toLocaleString('en-US')} busy files, then catch-up`,
  run: async (fixture, options) => {
    const seconds = options.seconds ?? DOWN_SECONDS;
    const tools = options.tools.filter((tool) => tool.does({ task: 'lines', complete: false }, FILES));
    const results: { tool: Tool; result: Measured | { failure: string } }[] = [];
    for (const tool of tools) {
      const result = await orFailure(() => fixture.withTopic((topic) => measure(fixture, tool, topic, seconds)));
      const summary = 'failure' in result ? result.failure : `caught up in ${decimals(result.catchUpSeconds, 1)} s`;
      options.say(`outage: ${tool.name.padEnd(14)} ${summary}`);
      results.push({ tool, result });
    }
    const rows = results.map(({ tool, result }) =>
      'failure' in result
        ? [tool.label, '-', '-', '-', '-', result.failure.slice(0, 160)]
        : [tool.label, ...cells(result), arrived(result)],
    );
    const report = {
      workload: 'outage',
      text: `${whole(FILES)} files; ${LINES_PER_SECOND / FILES} lines of 190 bytes a second are appended to each. The broker is stopped for ${seconds} s and started again. Catch-up is the time from its restart until the topic has all lines written before it, while writing continues.`,
      head: ['tool', 'catch-up, s', 'CPU seconds', 'peak RSS, MiB', 'lines written', 'what arrived'],
      rows,
      plots: [],
      remarks: [],
      figures: {
        downSeconds: seconds,
        results: Object.fromEntries(results.map(({ tool, result }) => [tool.name, result])),
      },
    };
    await writeReport(report, tools, options);
  },
};

async function measure(fixture: Fixture, tool: Tool, topic: string, downSeconds: number): Promise<Measured> {
  const { kafka, broker } = fixture;
  const folder = await fixture.folder('outage');
  const files = Array.from({ length: FILES }, (_, index) => join(folder, `${index}.log`));
  for (const file of files) closeSync(openSync(file, 'w'));
  const job: Job = { paths: [join(folder, '*.log')], topic, kafka, compression: 'lz4', task: 'lines', complete: false };
  await using running = await startTool(fixture, tool, job);
  const writer = startLineWriter(files, LINES_PER_SECOND);
  const startMs = systemClock.monotonicMs();
  try {
    {
      using end = await TopicEnd.open(kafka, topic);
      await until(running, 'lines', 1, START_SECONDS, () => end.records());
    }
    await systemClock.sleep(FLOW_MS);
    await broker.stop();
    await systemClock.sleep(downSeconds * 1000);
    await broker.start();
    const backMs = systemClock.monotonicMs();
    const then = Math.floor(((backMs - startMs) / 1000) * LINES_PER_SECOND);
    using end = await TopicEnd.open(kafka, topic);
    await until(running, 'lines', then, CATCH_UP_SECONDS, () => end.records());
    const catchUpSeconds = (systemClock.monotonicMs() - backMs) / 1000;
    const written = await writer.stop();
    // Wait for lines in flight. Those that don't arrive count as missing.
    await orFailure(() => until(running, 'lines', written, START_SECONDS, () => end.records()));
    await systemClock.sleep(FLOW_MS);
    const { cpuSeconds, peakRssMib } = running.usage();
    return { catchUpSeconds, cpuSeconds, peakRssMib, written, records: await end.records() };
  } finally {
    await writer.stop();
    // Also after a failure while it was down: other tools are measured after this one.
    if (!(await isUp(kafka, topic))) await broker.start();
  }
}

async function isUp(kafka: string, topic: string): Promise<boolean> {
  try {
    (await TopicEnd.open(kafka, topic))[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}

function cells({ catchUpSeconds, cpuSeconds, peakRssMib, written }: Measured): string[] {
  return [decimals(catchUpSeconds, 1), decimals(cpuSeconds, 1), whole(peakRssMib), whole(written)];
}

function arrived({ written, records }: Measured): string {
  if (records === written) return 'each once';
  return records < written ? `${whole(written - records)} missing` : `${whole(records - written)} too many`;
}
