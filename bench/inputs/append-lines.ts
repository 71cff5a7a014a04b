import { closeSync, openSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { systemClock } from '../../runtime/clock.ts';

/**
 * A process that appends lines to files at a steady rate. Each line has the time just before its
 * write. It stops when its standard input says `stop`, and prints how many lines it has written.
 *
 *   line => time:20 digits, ns of CLOCK_MONOTONIC · blank · file:6 digits · blank
 *           · number in the file:10 digits · blank · filler · LF
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rate: { type: 'string', default: '10000' }, bytes: { type: 'string', default: '190' } },
});
const linesPerMs = Number(values.rate) / 1000;
const filler = 'x'.repeat(Math.max(Number(values.bytes) - 40, 0));
const descriptors = positionals.map((path) => openSync(path, 'a'));
const PAUSE_MS = 1;

let stopped = false;
process.stdin.on('data', () => {
  stopped = true;
});
process.stdin.on('end', () => {
  stopped = true;
});

let written = 0;
const startMs = systemClock.monotonicMs();
while (!stopped) {
  const due = Math.floor((systemClock.monotonicMs() - startMs) * linesPerMs);
  for (; written < due; written++) append(written % descriptors.length, Math.floor(written / descriptors.length));
  await systemClock.sleep(PAUSE_MS);
}
for (const fd of descriptors) closeSync(fd);
process.stdin.destroy();
process.stdout.write(`${written}\n`);

function append(file: number, number: number): void {
  const time = String(process.hrtime.bigint()).padStart(20, '0');
  const line = `${time} ${String(file).padStart(6, '0')} ${String(number).padStart(10, '0')} ${filler}\n`;
  writeSync(descriptors[file] as number, line, null, 'latin1');
}
