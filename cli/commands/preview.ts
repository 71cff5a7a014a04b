import { Command, InvalidArgumentError, Option } from 'commander';
import { Asked, Preview, type PreviewFile } from '../../proto/gen/logfleet/v1/ask.ts';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { shortAgentName, shortEntryName } from '../../proto/rules/names.ts';
import { formatByteRate, formatByteSize } from '../../runtime/units.ts';
import { readValidEntries } from '../entries/entry-files.ts';
import { count, harmless } from '../output/format.ts';
import { Table } from '../output/table.ts';
import { AgentOutcomes, warnOfUnreachedAgents } from '../rpc/agent-responses.ts';
import type { ControllerApi } from '../rpc/client.ts';
import {
  agentSelectorOption,
  filenameOption,
  outputOption,
  parseCountArgument,
  parseDurationArgument,
} from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

interface PreviewOptions {
  filename: string[];
  selector: string;
  watch: number;
  lines: number;
  files: number;
  output: 'table' | 'json';
}

type Write = (text: string) => void;

const WATCH_MAX_MS = 30_000;

/** `logfleet preview -f FILE` */
export function previewCommand({ withApi, write, timeoutMs }: CommandContext): Command {
  const command = new Command('preview')
    .addOption(filenameOption().makeOptionMandatory())
    .addOption(agentSelectorOption())
    .addOption(
      new Option('--watch <duration>', 'how long to measure the growth of files, at most 30s')
        .argParser(parseWatch)
        .default(1_000, '1s'),
    )
    .addOption(
      new Option('--lines <count>', 'how many first and last lines of each file to show, at most 20')
        .argParser(parseCountArgument(0, 20))
        .default(3),
    )
    .addOption(
      new Option('--files <count>', 'how many files of each agent to show, at most 1000')
        .argParser(parseCountArgument(1, 1_000))
        .default(50),
    )
    .addOption(outputOption(['table', 'json'], 'table'))
    .action((options: PreviewOptions) => withApi((api) => preview(api, options, timeoutMs(), write)));
  return withHelp(command, {
    summary: 'show what an entry would collect, before it is created',
    details: [
      "Nothing is written. The request goes to the agents whose labels match both the entry's selector and -l. Lines are shown as they would be collected: converted, joined by multiline, and filtered.",
    ],
    examples: [
      ['Preview an entry on all its agents', 'logfleet preview -f entry.yaml'],
      ['Preview on one agent', 'logfleet preview -f entry.yaml -l agent=web-17 --watch 10s --lines 1'],
      ['Preview for a script', 'cat entry.yaml | logfleet preview -f - -o json'],
    ],
  });
}

async function preview(api: ControllerApi, options: PreviewOptions, timeoutMs: number, write: Write): Promise<void> {
  const outcomes = new AgentOutcomes();
  const documents: object[] = [];
  for (const entry of await readValidEntries(options.filename, 'nothing was previewed'))
    documents.push(await previewEntry(api, entry, { ...options, timeoutMs }, { outcomes, write }));
  if (options.output === 'json') write(`${JSON.stringify({ previews: documents }, undefined, 2)}\n`);
  outcomes.throwIfFailed('did not respond');
}

/** Prints tables as agents respond; returns the document for JSON output. */
async function previewEntry(
  api: ControllerApi,
  entry: Entry,
  options: PreviewOptions & { timeoutMs: number },
  { outcomes, write }: { outcomes: AgentOutcomes; write: Write },
): Promise<object> {
  const { selector: labelSelector, watch: watchMs, lines, files: filesMax, output, timeoutMs } = options;
  const request = { entry, labelSelector, watchMs, filesMax, timeoutMs, lines: lines === 0 ? -1 : lines };
  const agents: object[] = [];
  let reached: Asked | undefined;
  for await (const { asked, agent, preview: result, error } of api.follow(api.fleet.previewEntry(request))) {
    if (asked) warnOfUnreachedAgents(asked, entry.selector, labelSelector);
    reached ??= asked;
    if (error) outcomes.addFailure(agent, error);
    if (!result) continue;
    outcomes.addResponse();
    if (output === 'table') write(harmless(render(shortAgentName(agent), result)));
    else agents.push({ agent, ...documentOf(result) });
  }
  return { entry: entry.name, asked: reached && Asked.toJSON(reached), agents };
}

function render(agent: string, result: Preview): string {
  const files = `${count(result.fileCount)} ${result.fileCount === 1 ? 'file' : 'files'}`;
  const rate = formatByteRate(result.bytesPerSecond);
  const parts = [
    `${agent}: ${files}, ${formatByteSize(result.bytes)}; ${formatByteSize(result.backlogBytes)} to read at the start, then ${rate}\n`,
    ...notesOf(result).map((note) => `  ${note}\n`),
    result.files.length > 0 ? fileTable().render(result.files) : '',
    ...result.files.map(linesOf),
  ];
  return `${parts.join('')}\n`;
}

function notesOf(result: Preview): string[] {
  const { sampledRecords: sampled, keptRecords: kept } = result;
  const percent = sampled > 0n ? Math.round((Number(kept) / Number(sampled)) * 100) : 100;
  const hidden = result.troubleCount - result.troubles.length;
  return [
    ...(result.presentEtag === '' ? [] : ['the entry is collected there already: it continues at its position']),
    ...(kept < sampled ? [`the filter keeps ${count(kept)} of ${count(sampled)} sampled lines (${percent} %)`] : []),
    ...result.conflicts.map(({ entry, topic, sameTopic, files, path }) => {
      const effect = sameTopic ? 'CONFLICT: to the same topic, so each line is duplicated' : `to the topic ${topic}`;
      return `${shortEntryName(entry)} collects ${files} of these files, such as ${path}: ${effect}`;
    }),
    ...result.troubles.map(({ path, error }) => `ERROR ${path}: ${error}`),
    ...(hidden > 0 ? [`ERROR ${hidden} more paths are unreadable`] : []),
    ...(result.archives > 0 ? [`${count(result.archives)} archives are not read`] : []),
    ...(result.truncated === '' ? [] : [`incomplete: ${result.truncated}`]),
  ];
}

function fileTable(): Table<PreviewFile> {
  return new Table<PreviewFile>([
    { title: '  PATH', value: ({ path }) => `  ${path}` },
    { title: 'SIZE', value: (file) => formatByteSize(file.size) },
    { title: 'RATE', value: ({ bytesPerSecond }) => formatByteRate(bytesPerSecond) },
    { title: 'FROM', value: ({ start, error }) => (error === '' ? String(start) : '-') },
    { title: 'ERROR', value: ({ error }) => error || '-' },
  ]);
}

function linesOf({ path, firstLines, lastLines }: PreviewFile): string {
  if (firstLines.length === 0) return '';
  const quoted = (lines: readonly Buffer[]) =>
    lines.map((line) => `    | ${line.toString().replaceAll('\n', '\n    . ')}\n`);
  const isSame =
    firstLines.length === lastLines.length &&
    firstLines.every((line, index) => line.equals(lastLines[index] as Buffer));
  const last = isSame ? [] : ['    ...\n', ...quoted(lastLines)];
  return [`  ${path}\n`, ...quoted(firstLines), ...last].join('');
}

/** The message as JSON, but with lines as text instead of base64. */
function documentOf(result: Preview): object {
  const texts = (lines: readonly Buffer[]) => lines.map((line) => line.toString());
  const document = Preview.toJSON(result) as { files?: object[] };
  const files = result.files.map(({ firstLines, lastLines }, index) => ({
    ...document.files?.[index],
    first_lines: texts(firstLines),
    last_lines: texts(lastLines),
  }));
  return { ...document, files };
}

function parseWatch(text: string): number {
  const ms = parseDurationArgument(text);
  if (ms <= WATCH_MAX_MS) return ms;
  throw new InvalidArgumentError('Give at most 30s.');
}
