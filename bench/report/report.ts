import type { BenchOptions } from '../measure/options.ts';
import type { Tool } from '../tools/tool.ts';
import { commitNow, describeMachine, putSection, saveFigures, savePlot } from './results-file.ts';

export interface Report {
  workload: string;
  /** What else runs on the machine. Default: the broker. */
  besides?: string;
  /** What was done and how it was measured. */
  text: string;
  head: readonly string[];
  rows: readonly (readonly string[])[];
  plots: readonly { name: string; title: string; svg: string }[];
  /** Conclusions from the table, and notes on it. */
  remarks: readonly string[];
  /** Written to results/<workload>.json. */
  figures: object;
}

/**
 * Writes results/<workload>.json, its plots and the workload's section of RESULTS.md. Prints the
 * section.
 */
export async function writeReport(report: Report, tools: readonly Tool[], options: BenchOptions): Promise<void> {
  const { workload, figures } = report;
  const versions = Object.fromEntries(tools.map(({ name, version }) => [name, version]));
  await saveFigures(workload, { workload, versions, missing: options.missing, ...figures }, options.out);
  const images: string[] = [];
  for (const { name, title, svg } of report.plots) images.push(await savePlot(name, title, svg, options.out));
  const missing = options.missing.length === 0 ? '' : ` Not on this machine: ${options.missing.join('; ')}.`;
  const text = [
    `Made by \`npm run bench -- ${workload}\` on ${new Date().toISOString().slice(0, 10)}, commit ${commitNow()}, on ${describeMachine()}. ${report.besides ?? 'The broker'} runs on the same machine.${missing}`,
    report.text,
    table(report.head, report.rows),
    ...(report.remarks.length > 0 ? [report.remarks.map((remark) => `- ${remark}`).join('\n')] : []),
    ...images,
  ].join('\n\n');
  await putSection(workload, text, options.out);
  options.say(`\n## ${workload}\n\n${text}\n`);
}

/** Writes the section on the tools' settings, which all workloads share. */
export async function writeTools({ tools, missing, out }: BenchOptions): Promise<void> {
  const rows = tools.map(({ name, label, version, settings }) => [name, label, version, settings]);
  const text = `${table(['--tools', 'tool', 'version', 'settings'], rows)}

All tools use acks=all. ${missing.length === 0 ? 'No tool is missing.' : `Not on this machine: ${missing.join('; ')}.`}`;
  await putSection('the tools', text, out);
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

export function whole(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '-';
}

export function decimals(value: number | undefined, digits = 2): string {
  return value !== undefined && Number.isFinite(value) ? value.toFixed(digits) : '-';
}
