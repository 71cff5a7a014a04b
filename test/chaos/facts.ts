import type { LifeSeen } from './life-seen.ts';

/** What the topic `logfleet.audit` says of a generation. */
export type Fact = Loss | { kind: 'sealed'; generation: string; first: number; size: number };

export interface Loss {
  kind: 'loss';
  generation: string;
  start: number;
  end: number;
  /** Whether there may have been more bytes after `end`, which nobody saw. */
  openEnded?: boolean;
}

/** Whether a line lies within a reported loss. */
export function isDeclared(life: LifeSeen, line: number, losses: readonly Loss[]): boolean {
  const [start, end] = [life.startOf(line), life.startOf(line + 1)];
  return losses.some(
    (loss) =>
      life.generations.has(loss.generation) && loss.start <= start && end <= endOf(loss, Number.POSITIVE_INFINITY),
  );
}

/** Where a loss ends in a generation of `size` bytes. */
export function endOf({ end, openEnded = false }: Loss, size: number): number {
  return openEnded ? Math.max(end, size) : end;
}
