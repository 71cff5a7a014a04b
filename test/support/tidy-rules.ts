import { cycleViolations } from './tidy/cycles.ts';
import { layerViolations } from './tidy/layers.ts';
import { packageViolations } from './tidy/packages.ts';
import { sizeViolations } from './tidy/size.ts';
import type { SourceFile, Violation } from './tidy/source-file.ts';
import { styleViolations } from './tidy/style.ts';
import { widthViolations } from './tidy/width.ts';
import { wordViolations } from './tidy/words.ts';

/** CONTRIBUTING.md explains the rules. Each has its own file and its own test. */
const RULES = {
  layers: eachFile(layerViolations),
  packages: eachFile(packageViolations),
  style: eachFile(styleViolations),
  size: eachFile(sizeViolations),
  width: eachFile(widthViolations),
  words: eachFile(wordViolations),
  cycles: cycleViolations,
};

type RuleName = keyof typeof RULES;

/**
 * Paths whose violations of a rule are not reported yet, by their beginnings. This list only
 * shrinks.
 */
const EXEMPT: Readonly<Partial<Record<RuleName, readonly string[]>>> = {
  size: ['agent/encode/kernel.as'],
  width: ['agent/collect/', 'agent/kafka/', 'agent/produce/', 'test/agent/'],
  words: ['agent/', 'test/'],
};

/** All violations of all rules, one per line of text, sorted by file and line. */
export function violationsOf(files: readonly SourceFile[], exempt = EXEMPT): string[] {
  return Object.entries(RULES)
    .flatMap(([name, rule]) => {
      const prefixes = exempt[name as RuleName] ?? [];
      return rule(files).filter(({ path }) => !prefixes.some((prefix) => path.startsWith(prefix)));
    })
    .sort((a, b) => compare(a.path, b.path) || a.line - b.line)
    .map(({ path, line, problem, remedy }) => `${path}:${line}: ${problem}: ${remedy}`);
}

type FileRule = (file: SourceFile) => Violation[];

function eachFile(rule: FileRule) {
  return (files: readonly SourceFile[]): Violation[] => files.flatMap((file) => rule(file));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
