import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../runtime/clock.ts';
import { fileOf, startLineWriter, writtenAtNs } from '../inputs/line-writer.ts';
import type { Fixture } from '../measure/fixture.ts';
import { orFailure } from '../measure/rounds.ts';
import { type RunningTool, startTool } from '../measure/running-tool.ts';
import { type Load, loadOver, until } from '../measure/steady.ts';
import { TopicTail } from '../measure/topic-tail.ts';
import { barPlot } from '../report/plot.ts';
import { decimals, whole, writeReport } from '../report/report.ts';
import type { Tool } from '../tools/tool.ts';
import { delayFloor } from './delay-floor.ts';
import { type Delays, delaysOf } from './delays.ts';
import type { Workload } from './workload.ts';

const FILES = 100;
const LINES_PER_SECOND = 10_000;
const SECONDS = 20;
const START_SECONDS = 60;
/** Waited after the first line of each file: code is compiled and queues are emptied. */
const SETTLE_MS = 5_000;
const REST_SECONDS = 30;

interface Measured {
  delays: Delays;
  load: Load;
  /** Lines that never arrived; below zero: lines that arrived twice. */
  missing: number;
}

export const delay: Workload = {
  name: 'delay',
  about: `${FILES} files growing by ${LINES_PER_SECOND / FILES} lines/s each: from the append until a consumer has the line`,
  run: async (fixture, options) => {
    const seconds = options.seconds ?? SECONDS;
    const tools = options.tools.filter((tool) => tool.does({ task: 'lines', complete: false }, FILES));
    const floor = await delayFloor(fixture, LINES_PER_SECOND, seconds);
    const results: { tool: Tool; result: Measured | { failure: string } }[] = [];
    for (const tool of tools) {
      const result = await orFailure(() => measure(fixture, tool, seconds));
      const summary = 'failure' in result ? result.failure : `p99 ${decimals(result.delays.p99, 1)} ms`;
      options.say(`delay: ${tool.name.padEnd(14)} ${summary}`);
      results.push({ tool, result });
    }
    const rows = results.map(({ tool, result }) =>
      'failure' in result
        ? [tool.label, '-', '-', '-', '-', '-', '-', result.failure.slice(0, 160)]
        : [
            tool.label,
            ...cells(result.delays),
            whole(result.load.cpuPercent),
            whole(result.load.peakRssMib),
            arrived(result),
          ],
    );
    const bars = results.flatMap(({ tool: { label }, result }) =>
      'failure' in result ? [] : [{ label, value: result.delays.p99 }],
    );
    const title = 'delay: p99 from append to readable';
    const report = {
      workload: 'delay',
      text: `${FILES} files, which exist when the tool starts; ${LINES_PER_SECOND / FILES} lines of 190 bytes a second are appended to each. For ${seconds} s, the time of each line from just before its write until a waiting consumer has it. Nothing is killed.

The floor is the same time for lines that the bench itself produces with kafkajs, ${LINES_PER_SECOND / 100} in a request each 10 ms, without files.`,
      head: ['tool', 'p50, ms', 'p99, ms', 'p99.9, ms', 'max, ms', 'CPU, % of a core', 'peak RSS, MiB', 'lines'],
      rows: [['(floor)', ...cells(floor), '-', '-', '-'], ...rows],
      plots: [{ name: 'delay', title, svg: barPlot(title, 'ms', [{ label: '(floor)', value: floor.p99 }, ...bars]) }],
      remarks: [],
      figures: { seconds, floor, results: Object.fromEntries(results.map(({ tool, result }) => [tool.name, result])) },
    };
    await writeReport(report, tools, options);
  },
};

function measure(fixture: Fixture, tool: Tool, seconds: number): Promise<Measured> {
  return fixture.withTopic(async (topic) => {
    const folder = await fixture.folder('delay');
    const files = Array.from({ length: FILES }, (_, index) => join(folder, `${index}.log`));
    for (const file of files) closeSync(openSync(file, 'w'));
    const sinceNs = Number(process.hrtime.bigint());
    const seen = { lines: 0, files: new Set<number>(), from: Number.POSITIVE_INFINITY, to: 0 };
    const delaysMs: number[] = [];
    await using tail = await TopicTail.open(fixture.kafka, topic, (bytes, start) => {
      seen.lines++;
      seen.files.add(fileOf(bytes, start));
      const atNs = writtenAtNs(bytes, start, sinceNs);
      if (atNs >= seen.from && atNs < seen.to) delaysMs.push((nowNs(sinceNs) - atNs) / 1e6);
    });
    const job = {
      paths: [join(folder, '*.log')],
      topic,
      kafka: fixture.kafka,
      compression: 'lz4',
      task: 'lines',
    } as const;
    await using running = await startTool(fixture, tool, { ...job, complete: false });
    const writer = startLineWriter(files, LINES_PER_SECOND);
    try {
      await until(running, 'files', FILES, START_SECONDS, () => seen.files.size);
      await systemClock.sleep(SETTLE_MS);
      seen.from = nowNs(sinceNs);
      seen.to = seen.from + seconds * 1e9;
      const load = await loadOver(running, seconds);
      const written = await writer.stop();
      await rest(running, tail, written, () => seen.lines);
      return { delays: delaysOf(delaysMs), load, missing: written - seen.lines };
    } finally {
      await writer.stop();
    }
  });
}

/** Waits for lines in flight. Those that don't arrive count as missing. */
async function rest(running: RunningTool, tail: TopicTail, enough: number, lines: () => number): Promise<void> {
  await orFailure(() => until(running, 'lines', enough, REST_SECONDS, lines));
  tail.check();
}

function nowNs(sinceNs: number): number {
  return Number(process.hrtime.bigint()) - sinceNs;
}

function cells({ p50, p99, p999, max }: Delays): string[] {
  return [p50, p99, p999, max].map((value) => decimals(value, 1));
}

function arrived({ missing }: Measured): string {
  if (missing === 0) return 'each once';
  return missing > 0 ? `${whole(missing)} missing` : `${whole(-missing)} too many`;
}
