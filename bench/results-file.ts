import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

const FILE = join(import.meta.dirname, 'RESULTS.md');
const HEAD = `# Results

Each section says how it was made; the raw figures are in \`bench/results/\`. Figures of a shared machine are noisy: read the ratios, which are of one run.
`;

/** Writes bench/results/<name>.json, with date, machine and commit. */
export async function saveFigures(name: string, figures: object): Promise<void> {
  const folder = join(import.meta.dirname, 'results');
  await mkdir(folder, { recursive: true });
  const raw = { date: new Date().toISOString(), machine: describeMachine(), commit: commitNow(), ...figures };
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(raw, undefined, 2)}\n`);
}

/** Puts a section into bench/RESULTS.md, in the place of the one with its title, and leaves the others as they are. */
export async function putSection(title: string, text: string): Promise<void> {
  const sections = (await readFile(FILE, 'utf8')).split(/^(?=## )/m).slice(1);
  const own = `## ${title}\n\n${text.trim()}\n`;
  const at = sections.findIndex((section) => section.startsWith(`## ${title}\n`));
  const all = at === -1 ? [...sections, own] : sections.with(at, own);
  await writeFile(FILE, [HEAD, ...all].map((section) => `${section.trim()}\n`).join('\n'));
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
