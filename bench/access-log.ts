import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';

const LINES_AT_ONCE = 5_000;

/** Writes an access log of at least `bytes` bytes, the same every time; returns how many lines and bytes it has. */
export async function writeAccessLog(file: string, bytes: number): Promise<{ lines: number; bytes: number }> {
  const out = createWriteStream(file);
  let lines = 0;
  let written = 0;
  while (written < bytes) {
    const chunk = Array.from({ length: LINES_AT_ONCE }, (_, index) => line(lines + index)).join('');
    lines += LINES_AT_ONCE;
    written += chunk.length;
    if (!out.write(chunk)) await once(out, 'drain');
  }
  out.end();
  await finished(out);
  return { lines, bytes: written };
}

/** About 190 bytes; the id is scattered by Knuth's multiplicative hash, so that lines differ as real ones do. */
function line(index: number): string {
  const id = (index * 2_654_435_761) % 2 ** 32;
  const address = `10.${index % 250}.${(index >> 3) % 250}.${id % 250}`;
  const time = `24/Nov/2026:08:${pad(index >> 8)}:${pad(index >> 2)} +0000`;
  const request = `GET /api/v1/items/${id}?page=${index % 97} HTTP/1.1`;
  const agent = `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/1${index % 40}.0`;
  return `${address} - - [${time}] "${request}" ${index % 17 ? 200 : 404} ${id % 50_000} "https://example.com/p/${id % 1000}" "${agent}"\n`;
}

function pad(value: number): string {
  return String(value % 60).padStart(2, '0');
}
