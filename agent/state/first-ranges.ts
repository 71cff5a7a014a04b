import type { DatabaseSync } from 'node:sqlite';

/** The fields of a segment in an intent, see intent-row.ts. */
const GENERATION = 0;
const RANGE_START = 4;
const FORMAT = 8;

/**
 * A step of schema.ts. Before it the range of a generation's first record began at 0, even if the
 * agent began to read at `first`. Segments of open intents that are not replays are corrected, too:
 * a replay may send bytes before `first`.
 */
export function beginRangesAtFirst(db: DatabaseSync): void {
  db.exec(`ALTER TABLE generation ADD COLUMN first_reason TEXT NOT NULL DEFAULT '';
    UPDATE generation SET range_end = first WHERE range_end < first;`);
  const rows = db.prepare('SELECT generation, first FROM generation WHERE first > 0').all();
  const firsts = new Map(rows.map(({ generation, first }) => [String(generation), Number(first)]));
  if (firsts.size === 0) return;
  const replays = db.prepare("SELECT id FROM format WHERE json_extract(document, '$.replay') IS NOT NULL").all();
  const replayFormats = new Set(replays.map(({ id }) => String(id)));
  const update = db.prepare('UPDATE intent SET segments = ? WHERE id = ?');
  for (const { id, segments } of db.prepare('SELECT id, segments FROM intent').all())
    update.run(fromFirst(String(segments), firsts, replayFormats), Number(id));
}

function fromFirst(segments: string, firsts: ReadonlyMap<string, number>, replayFormats: ReadonlySet<string>): string {
  const corrected = segments.split(' ').map((segment) => {
    const fields = segment.split(',');
    if (replayFormats.has(String(fields[FORMAT]))) return segment;
    const first = firsts.get(String(fields[GENERATION])) ?? 0;
    fields[RANGE_START] = String(Math.max(first, Number(fields[RANGE_START])));
    return fields.join();
  });
  return corrected.join(' ');
}
