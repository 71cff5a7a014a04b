import { lines } from './content.ts';
import type { AuditFact, Evidence, TopicRecord, ViolationKind } from './evidence.ts';
import { Life, type Line } from './life.ts';
import { judge } from './oracle.ts';

export const ROOT = '/logs';
export const LINES = 20;
const END_MS = 100_000;
export const OPEN = Number.POSITIVE_INFINITY;

/** A content at a path that the globs match from 10 s until `toMs`. */
export function lifeAt(id: number, name: string, toMs = OPEN): Life {
  const life = new Life(id, 10_000);
  life.append(lines(life, LINES), 10_000);
  life.paths.add(`${ROOT}/${name}`);
  life.matched.push({ fromMs: 10_000, toMs });
  if (toMs < OPEN) life.end = { atMs: toMs, how: 'deleted' };
  return life;
}

/** The records as a perfect agent delivers them. */
export function recordsOf(life: Life, generation = `g${life.id}`): TopicRecord[] {
  return life.lines().map(({ start, end }, offset) => ({
    partition: 0,
    offset: BigInt(offset),
    timestampMs: 12_000,
    value: life.bytes.subarray(start, end - 1),
    headers: {
      'logfleet.generation': generation,
      'logfleet.range': `${start}-${end}`,
      'log.file.path': [...life.paths][0] as string,
    },
  }));
}

export function evidence(
  lives: readonly Life[],
  records: readonly TopicRecord[],
  facts: readonly AuditFact[] = [],
): Evidence {
  return {
    settings: { scanIntervalMs: 1_000, start: 'beginning', fileSystem: 'disk', layout: 'direct', restartsAtEnd: false },
    lives,
    records,
    facts,
    uptimes: [{ fromMs: 5_000, toMs: OPEN, startupMs: 500, scanIntervalMs: 1_000 }],
    firstStartMs: 4_500,
    globChangesMs: [],
    endMs: END_MS,
    toUnixMs: 0,
  };
}

export function kindsOf(given: Evidence): ViolationKind[] {
  return [...new Set(judge(given).violations.map(({ kind }) => kind))].sort();
}

export function loss(more: Partial<AuditFact>): AuditFact {
  const time = new Date(90_000).toISOString();
  return { id: 'f', kind: 'loss', generation: 'g0', path: `${ROOT}/a.log`, time, reason: 'vanished', ...more };
}

export function lineOf(life: Life, index: number): Line {
  return life.lines()[index] as Line;
}
