import { appendFileSync, existsSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Writes log lines as a service would: `log-writer FILE LINES_PER_SECOND [TOTAL]`. The lines come
 * from the loghub data set if it is on this machine, and are generated otherwise. The file is
 * rotated by rename every 10 MB; three rotated files are kept.
 */
const [file = '', rate = '1000', total = 'Infinity'] = process.argv.slice(2);
const LOGHUB = join(import.meta.dirname, '..', '..', '..', 'shared', 'data', 'loghub');
const ROTATE_BYTES = 10_000_000;
const TICK_MS = 50;

function samples(): string[] {
  if (!existsSync(LOGHUB)) {
    return Array.from(
      { length: 1000 },
      (_, i) => `10.0.${i % 250}.7 - - "GET /items/${i} HTTP/1.1" 200 ${i * 37} "-" "curl/8.5.0"`,
    );
  }
  const names = readdirSync(LOGHUB).filter((name) => name.endsWith('.log'));
  return names
    .flatMap((name) => readFileSync(join(LOGHUB, name), 'latin1').split(/\r?\n/))
    .filter((line) => line !== '');
}

function rotate(): void {
  if (!existsSync(file) || statSync(file).size < ROTATE_BYTES) return;
  for (let index = 2; index >= 1; index--) {
    if (existsSync(`${file}.${index}`)) renameSync(`${file}.${index}`, `${file}.${index + 1}`);
  }
  renameSync(file, `${file}.1`);
}

const lines = samples();
const perTick = Math.max(1, Math.round((Number(rate) * TICK_MS) / 1000));
const parent = process.ppid;
for (let written = 0; written < Number(total) && process.ppid === parent; ) {
  const count = Math.min(perTick, Number(total) - written);
  const batch = Array.from({ length: count }, (_, i) => `${written + i} ${lines[(written + i) % lines.length]}\n`);
  appendFileSync(file, batch.join(''), 'latin1');
  written += count;
  rotate();
  await sleep(TICK_MS);
}
