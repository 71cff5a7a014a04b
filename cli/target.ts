import { CliError, exitCodes } from './cli-error.ts';

export type TargetKind = 'entry' | 'agent' | 'loss' | 'alert' | 'rollout' | 'settings';

/** What a command is about: `entry a b`, `entries`, `entry/a agent/b`, as kubectl takes them. Throws CliError. */
export function parseTargets(words: readonly string[]): { kind: TargetKind; names: string[] } {
  const [first = '', ...rest] = words;
  if (!first.includes('/')) return { kind: kindOf(first), names: rest };
  const pairs = words.map((word) => word.split('/') as [string, string?, string?]);
  const kind = kindOf(pairs[0]?.[0] ?? '');
  for (const [other, name, more] of pairs) {
    if (kindOf(other) !== kind || !name || more !== undefined) {
      throw new CliError(exitCodes.usage, `give names of one kind, such as ${kind}/a ${kind}/b`);
    }
  }
  return { kind, names: pairs.map(([, name]) => name as string) };
}

/** Does something with each name, whatever befalls the others, as kubectl does. Tells each failure on standard error, and throws the last. */
export async function forEachName(names: readonly string[], action: (name: string) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  for (const name of names) {
    try {
      await action(name);
    } catch (error) {
      failures.push(error);
      // Nobody answers: that would be so for each.
      if (!(error instanceof CliError) || error.exitCode !== exitCodes.refused) break;
    }
  }
  if (failures.length === 0) return;
  for (const failure of failures.slice(0, -1) as CliError[]) {
    process.stderr.write(`error: ${failure.message}\n`);
    for (const { field, description } of failure.violations) process.stderr.write(`  ${field}: ${description}\n`);
  }
  throw failures.at(-1);
}

function kindOf(word: string): TargetKind {
  if (['entry', 'entries'].includes(word)) return 'entry';
  if (['agent', 'agents'].includes(word)) return 'agent';
  if (['loss', 'losses'].includes(word)) return 'loss';
  if (['alert', 'alerts'].includes(word)) return 'alert';
  if (['rollout', 'rollouts'].includes(word)) return 'rollout';
  if (word === 'settings') return 'settings';
  const kinds = 'entries, agents, losses, alerts, rollouts or settings';
  if (word === '') throw new CliError(exitCodes.usage, `say what: ${kinds}, and which`);
  throw new CliError(exitCodes.usage, `there is no kind ${JSON.stringify(word)}: give ${kinds}`);
}
