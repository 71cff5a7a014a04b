import type { PreviewFile } from '../../proto/gen/logfleet/v1/ask.ts';
import { Asked, Preview } from '../../proto/gen/logfleet/v1/ask.ts';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { count, harmless, size, Table } from '../format.ts';
import { Failures, tellAsked } from '../rpc/asked.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { entriesIn } from './apply.ts';

export interface PreviewOptions {
  filename: string[];
  selector: string;
  watch: number;
  lines: number;
  files: number;
  output: 'table' | 'json';
  timeoutMs: number;
}

/** `logfleet preview -f FILE` */
export async function preview(
  api: ControllerApi,
  options: PreviewOptions,
  write: (text: string) => void,
): Promise<void> {
  const failures = new Failures();
  const documents: object[] = [];
  for (const entry of await entriesIn(options.filename)) {
    const document = await previewOne(api, entry, options, { failures, write });
    documents.push(document);
  }
  if (options.output === 'json') write(`${JSON.stringify({ previews: documents }, undefined, 2)}\n`);
  failures.conclude('do not answer');
}

async function previewOne(
  api: ControllerApi,
  entry: Entry,
  { selector: labelSelector, watch: watchMs, lines, files: filesMax, output, timeoutMs }: PreviewOptions,
  { failures, write }: { failures: Failures; write: (text: string) => void },
): Promise<object> {
  const request = { entry, labelSelector, watchMs, filesMax, timeoutMs, lines: lines === 0 ? -1 : lines };
  const agents: object[] = [];
  let whom: Asked | undefined;
  for await (const { asked, agent, preview: told, error } of api.follow(api.fleet.previewEntry(request))) {
    if (asked) tellAsked(asked, entry.selector, labelSelector);
    whom ??= asked;
    if (error) failures.tell(agent, error);
    if (!told) continue;
    failures.answered();
    if (output === 'table') write(harmless(render(agent.replace(/^agents\//, ''), told)));
    else agents.push({ agent, ...documentOf(told) });
  }
  return { entry: entry.name, asked: whom && Asked.toJSON(whom), agents };
}

function render(agent: string, told: Preview): string {
  const files = `${count(told.fileCount)} ${told.fileCount === 1 ? 'file' : 'files'}`;
  const rate = `${size(told.bytesPerSecond)}/s`;
  const parts = [
    `${agent}: ${files}, ${size(told.bytes)}; ${size(told.backlogBytes)} to read at once, then ${rate}\n`,
    ...notesOf(told).map((note) => `  ${note}\n`),
    told.files.length > 0 ? FILES().render(told.files) : '',
    ...told.files.map(linesOf),
  ];
  return `${parts.join('')}\n`;
}

function notesOf(told: Preview): string[] {
  const { sampledRecords: sampled, keptRecords: kept } = told;
  const share = sampled > 0n ? Math.round((Number(kept) / Number(sampled)) * 100) : 100;
  const hidden = told.troubleCount - told.troubles.length;
  return [
    ...(told.presentEtag === '' ? [] : ['the entry is collected there already: it goes on where it is']),
    ...(kept < sampled ? [`its filter keeps ${count(kept)} of ${count(sampled)} lines looked at (${share} %)`] : []),
    ...told.conflicts.map(({ entry, topic, sameTopic, files, path }) => {
      const twice = sameTopic ? `CONFLICT: to the same topic, so each line is there twice` : `to the topic ${topic}`;
      return `${entry.replace(/^entries\//, '')} collects ${files} of these files, such as ${path}: ${twice}`;
    }),
    ...told.troubles.map(({ path, error }) => `ERROR ${path}: ${error}`),
    ...(hidden > 0 ? [`ERROR ${hidden} more paths can't be looked at`] : []),
    ...(told.archives > 0 ? [`${count(told.archives)} archives are not read`] : []),
    ...(told.truncated === '' ? [] : [`not all: ${told.truncated}`]),
  ];
}

const FILES = () =>
  new Table<PreviewFile>([
    { title: '  PATH', value: ({ path }) => `  ${path}` },
    { title: 'SIZE', value: (file) => size(file.size) },
    { title: 'RATE', value: ({ bytesPerSecond }) => `${size(bytesPerSecond)}/s` },
    { title: 'FROM', value: ({ start, error }) => (error === '' ? String(start) : '-') },
    { title: 'ERROR', value: ({ error }) => error || '-' },
  ]);

function linesOf({ path, firstLines, lastLines }: PreviewFile): string {
  if (firstLines.length === 0) return '';
  const quoted = (lines: readonly Buffer[]) =>
    lines.map((line) => `    | ${line.toString().replaceAll('\n', '\n    . ')}\n`);
  const alike =
    firstLines.length === lastLines.length &&
    firstLines.every((line, index) => line.equals(lastLines[index] as Buffer));
  const last = alike ? [] : ['    ...\n', ...quoted(lastLines)];
  return [`  ${path}\n`, ...quoted(firstLines), ...last].join('');
}

/** As the message in JSON, but with lines as text. */
function documentOf(told: Preview): object {
  const texts = (lines: readonly Buffer[]) => lines.map((line) => line.toString());
  const document = Preview.toJSON(told) as { files?: object[] };
  const files = told.files.map(({ firstLines, lastLines }, index) => ({
    ...document.files?.[index],
    first_lines: texts(firstLines),
    last_lines: texts(lastLines),
  }));
  return { ...document, files };
}
