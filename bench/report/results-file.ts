import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { errorCode } from '../../runtime/errors.ts';

const BENCH = join(import.meta.dirname, '..');
const COLUMNS_MAX = 100;
const HEAD = `# Results

One section for each workload. Each says how it was made; its raw figures are in \`bench/results/\`. The machines were
shared, so times are noisy: compare the ratios within a table, which are of one run. To make a section again, run the
command that it names.
`;

/** Writes results/<name>.json with date, machine and commit. `out` is the folder of RESULTS.md. */
export async function saveFigures(name: string, figures: object, out = BENCH): Promise<void> {
  const raw = { date: new Date().toISOString(), machine: describeMachine(), commit: commitNow(), ...figures };
  await saveFile(`${name}.json`, `${JSON.stringify(raw, undefined, 2)}\n`, out);
}

/** Writes results/<name>.svg and returns the Markdown that shows it in RESULTS.md. */
export async function savePlot(name: string, title: string, plot: string, out: string): Promise<string> {
  await saveFile(`${name}.svg`, plot, out);
  return `![${title}](results/${name}.svg)`;
}

async function saveFile(name: string, text: string, out: string): Promise<void> {
  await mkdir(join(out, 'results'), { recursive: true });
  await writeFile(join(out, 'results', name), text);
}

/**
 * Replaces the section of RESULTS.md with this title, or appends it. Other sections stay as they
 * are.
 */
export async function putSection(title: string, text: string, out = BENCH): Promise<void> {
  const file = join(out, 'RESULTS.md');
  const previous = await readFile(file, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  });
  const sections = previous.split(/^(?=## )/m).slice(previous.startsWith('## ') ? 0 : 1);
  const own = `## ${title}\n\n${wrapProse(text.trim())}\n`;
  const at = sections.findIndex((section) => section.startsWith(`## ${title}\n`));
  const all = at === -1 ? [...sections, own] : sections.with(at, own);
  await mkdir(out, { recursive: true });
  await writeFile(file, [wrapProse(HEAD), ...all].map((section) => `${section.trim()}\n`).join('\n'));
}

/** Wraps paragraphs and list items at 100 columns. Tables, images and headings stay as they are. */
export function wrapProse(text: string): string {
  return text
    .split('\n\n')
    .map((block) =>
      /^(\||!\[|#)/.test(block)
        ? block
        : block
            .split(/\n(?=- )/)
            .map(wrapParagraph)
            .join('\n'),
    )
    .join('\n\n');
}

function wrapParagraph(paragraph: string): string {
  const indent = paragraph.startsWith('- ') ? '  ' : '';
  const lines: string[] = [];
  // A code span stays on one line.
  for (const word of paragraph.match(/(?:`[^`]*`|\S)+/g) ?? []) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= COLUMNS_MAX) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(last === undefined ? word : indent + word);
  }
  return lines.join('\n');
}

export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const kernel = execFileSync('uname', ['-sr'], { encoding: 'utf8' }).trim();
  return `${cpus().length} cores of ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${kernel}, Node.js ${process.versions.node}`;
}

/** The commit of the measured checkout. */
export function commitNow(): string {
  return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' }).trim();
}
