import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { errorCode } from '../runtime/errors.ts';

const HEAD = `# Results

Each section says how it was made; the raw figures are in \`bench/results/\`. Figures of a shared machine are noisy: read the ratios, which are of one run.
`;

/** Writes results/<name>.json, with date, machine and commit. `out`: the folder of RESULTS.md. */
export async function saveFigures(name: string, figures: object, out = import.meta.dirname): Promise<void> {
  const raw = { date: new Date().toISOString(), machine: describeMachine(), commit: commitNow(), ...figures };
  await saveFile(`${name}.json`, `${JSON.stringify(raw, undefined, 2)}\n`, out);
}

/** Writes results/<name>.svg; returns what shows it in RESULTS.md. */
export async function savePlot(name: string, title: string, plot: string, out: string): Promise<string> {
  await saveFile(`${name}.svg`, plot, out);
  return `![${title}](results/${name}.svg)`;
}

async function saveFile(name: string, text: string, out: string): Promise<void> {
  await mkdir(join(out, 'results'), { recursive: true });
  await writeFile(join(out, 'results', name), text);
}

/** Puts a section into RESULTS.md, in the place of the one with its title, and leaves the others as they are. */
export async function putSection(title: string, text: string, out = import.meta.dirname): Promise<void> {
  const file = join(out, 'RESULTS.md');
  const former = await readFile(file, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  });
  const sections = former.split(/^(?=## )/m).slice(former.startsWith('## ') ? 0 : 1);
  const own = `## ${title}\n\n${text.trim()}\n`;
  const at = sections.findIndex((section) => section.startsWith(`## ${title}\n`));
  const all = at === -1 ? [...sections, own] : sections.with(at, own);
  await mkdir(out, { recursive: true });
  await writeFile(file, [HEAD, ...all].map((section) => `${section.trim()}\n`).join('\n'));
}

export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const kernel = execFileSync('uname', ['-sr'], { encoding: 'utf8' }).trim();
  return `${cpus().length} cores of ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${kernel}, Node.js ${process.versions.node}`;
}

/** Of the checkout that was measured. */
export function commitNow(): string {
  return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' }).trim();
}
