import { cycleViolations } from './tidy/cycles.ts';
import { layerViolations } from './tidy/layers.ts';
import { packageViolations } from './tidy/packages.ts';
import { sizeViolations } from './tidy/size.ts';
import type { SourceFile, Violation } from './tidy/source-file.ts';
import { styleViolations } from './tidy/style.ts';
import { widthViolations } from './tidy/width.ts';
import { wordViolations } from './tidy/words.ts';

/** The rules about a single file. CONTRIBUTING.md explains them. */
const FILE_RULES: readonly ((file: SourceFile) => Violation[])[] = [
  layerViolations,
  packageViolations,
  styleViolations,
  sizeViolations,
  widthViolations,
  wordViolations,
];

/** All violations of all rules, one per line of text, sorted by file and line. */
export function violationsOf(files: readonly SourceFile[]): string[] {
  const violations = [...files.flatMap((file) => FILE_RULES.flatMap((rule) => rule(file))), ...cycleViolations(files)];
  return violations
    .sort((a, b) => compare(a.path, b.path) || a.line - b.line)
    .map(({ path, line, problem, remedy }) => `${path}:${line}: ${problem}: ${remedy}`);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
