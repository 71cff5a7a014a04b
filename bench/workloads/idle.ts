import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../runtime/clock.ts';
import { type LineWriter, startLineWriter, writtenAtNs } from '../inputs/line-writer.ts';
import type { Fixture } from '../measure/fixture.ts';
import { orFailure } from '../measure/rounds.ts';
import { startTool } from '../measure/running-tool.ts';
import { type Load, loadOver, until } from '../measure/steady.ts';
import type { TopicEnd } from '../measure/topic-end.ts';
import { TopicTail } from '../measure/topic-tail.ts';
import { decimals, whole, writeReport } from '../report/report.ts';
import type { Job, Tool } from '../tools/tool.ts';
import type { Workload } from './workload.ts';

const FILES = 20_000;
const FOLDERS = 20;
const HOT_FILES = 10;
const HOT_LINES_PER_SECOND = 1_000;
const SECONDS = 30;
const START_SECONDS = 90;
const SETTLE_MS = 5_000;

interface Measured {
  /** From the first start until the topic has the only line of each idle file. */
  firstStartSeconds: number;
  /** From the second start, which knows the files, until a line appended after it is readable. */
  secondStartSeconds: number;
  load: Load;
}

export const idle: Workload = {
  name: 'idle',
  about: `${FILES.toLocaleString('en-US')} idle files and ${HOT_FILES} hot ones: start-up, CPU and memory`,
  run: async (fixture, options) => {
    const seconds = options.seconds ?? SECONDS;
    const tools = options.tools.filter((tool) => tool.does({ task: 'lines', complete: false }, FILES));
    const root = await writeIdleFiles(fixture);
    const results: { tool: Tool; result: Measured | { failure: string } }[] = [];
    for (const tool of tools) {
      const result = await orFailure(() =>
        fixture.withTopic((topic, end) => measure(fixture, tool, root, topic, end, seconds)),
      );
      options.say(
        `idle: ${tool.name.padEnd(14)} ${'failure' in result ? result.failure : `${decimals(result.load.cpuPercent, 1)} % of a core`}`,
      );
      results.push({ tool, result });
    }
    const rows = results.map(({ tool, result }) =>
      'failure' in result
        ? [tool.label, '-', '-', '-', '-', result.failure.slice(0, 160)]
        : [tool.label, ...cells(result), ''],
    );
    const report = {
      workload: 'idle',
      text: `${whole(FILES)} files of one line in ${FOLDERS} folders, and ${HOT_FILES} that grow by ${HOT_LINES_PER_SECOND / HOT_FILES} lines/s each. First start: from the start of a process that knows nothing until the topic has the line of each file. Second start: from the start of a process that knows all files until a line appended after it is readable. CPU is measured over ${seconds} s, beginning ${SETTLE_MS / 1000} s later. Each process may open 65,536 files, if the user's limit allows it.`,
      head: ['tool', 'first start, s', 'second start, s', 'CPU, % of a core', 'peak RSS, MiB', 'remark'],
      rows,
      plots: [],
      remarks: [],
      figures: {
        seconds,
        files: FILES,
        results: Object.fromEntries(results.map(({ tool, result }) => [tool.name, result])),
      },
    };
    await writeReport(report, tools, options);
  },
};

async function writeIdleFiles(fixture: Fixture): Promise<string> {
  const root = await fixture.folder('idle');
  for (let file = 0; file < FILES; file++) {
    const folder = join(root, `app-${file % FOLDERS}`);
    if (file < FOLDERS) mkdirSync(folder);
    writeFileSync(join(folder, `${file}.log`), `${'0'.repeat(20)} the only line of file ${file}\n`);
  }
  return root;
}

async function measure(
  fixture: Fixture,
  tool: Tool,
  root: string,
  topic: string,
  end: TopicEnd,
  seconds: number,
): Promise<Measured> {
  const hot = await fixture.folder('hot');
  const files = Array.from({ length: HOT_FILES }, (_, index) => join(hot, `${index}.log`));
  for (const file of files) closeSync(openSync(file, 'w'));
  const job: Job = {
    paths: [join(root, '*', '*.log'), join(hot, '*.log')],
    ...{ topic, kafka: fixture.kafka, compression: 'lz4', task: 'lines', complete: false },
  };
  const state = await fixture.folder(tool.name);
  const firstStartSeconds = await firstStart(fixture, tool, job, state, end);
  const sinceNs = Number(process.hrtime.bigint());
  let newestNs = 0;
  await using tail = await TopicTail.open(fixture.kafka, topic, (bytes, start) => {
    newestNs = Math.max(newestNs, writtenAtNs(bytes, start, sinceNs));
  });
  const startNs = Number(process.hrtime.bigint()) - sinceNs;
  await using running = await startTool(fixture, tool, job, state);
  const writer: LineWriter = startLineWriter(files, HOT_LINES_PER_SECOND);
  try {
    await until(running, 'lines written after the second start', 1, START_SECONDS, () => (newestNs > startNs ? 1 : 0));
    const secondStartSeconds = running.seconds();
    await systemClock.sleep(SETTLE_MS);
    const load = await loadOver(running, seconds);
    tail.check();
    return { firstStartSeconds, secondStartSeconds, load };
  } finally {
    await writer.stop();
  }
}

/** Starts the tool, waits until the topic has the line of each file, and stops the tool. */
async function firstStart(fixture: Fixture, tool: Tool, job: Job, state: string, end: TopicEnd): Promise<number> {
  await using running = await startTool(fixture, tool, job, state);
  await until(running, 'files', FILES, START_SECONDS, () => end.records());
  const seconds = running.seconds();
  await systemClock.sleep(SETTLE_MS);
  await running.stop();
  return seconds;
}

function cells({ firstStartSeconds, secondStartSeconds, load }: Measured): string[] {
  return [
    decimals(firstStartSeconds),
    decimals(secondStartSeconds),
    decimals(load.cpuPercent, 1),
    whole(load.peakRssMib),
  ];
}
