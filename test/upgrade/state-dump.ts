import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** What identifies a batch in the log. */
export interface BatchIdentity {
  producerId: bigint;
  baseSequence: number;
}

export function databaseFile(stateDir: string): string {
  return join(stateDir, 'checkpoints.db');
}

/** The batches that may or may not be in Kafka, by the agent's state. */
export function openIntents(stateDir: string): BatchIdentity[] {
  const db = new DatabaseSync(databaseFile(stateDir));
  const select = db.prepare('SELECT producer_id, base_sequence FROM intent ORDER BY id');
  select.setReadBigInts(true);
  const rows = select.all();
  db.close();
  return rows.map((row) => ({ producerId: row['producer_id'] as bigint, baseSequence: Number(row['base_sequence']) }));
}

/** The schema and all rows, as SQL that makes the same database. */
export function dumpDatabase(stateDir: string): string {
  const db = new DatabaseSync(databaseFile(stateDir));
  const schema = db.prepare('SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL').all();
  const version = db.prepare('PRAGMA user_version').get()?.['user_version'];
  const rows = schema
    .filter(({ type }) => type === 'table')
    .flatMap(({ name }) => {
      const select = db.prepare(`SELECT * FROM "${name}"`);
      select.setReadBigInts(true);
      return select
        .all()
        .map((row) => `INSERT INTO ${name} (${Object.keys(row)}) VALUES (${Object.values(row).map(literal)});`);
    });
  db.close();
  return [`PRAGMA user_version = ${version};`, ...schema.map(({ sql }) => `${sql};`), ...rows, ''].join('\n');
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value);
}
