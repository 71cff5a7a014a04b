import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import type { LineKind } from './line-kinds.ts';

/** Files on disk, and what the topic must contain afterwards. */
export interface Input {
  /** A glob that matches all files, or the path of the only one. */
  path: string;
  files: number;
  bytes: number;
  records: number;
  /** The sum of the values' CRC-32s, so that the order does not matter (`addTo`). */
  checksum: number;
}

/** Adds a value's checksum to a sum, which stays an exact integer. */
export function addTo(checksum: number, value: Buffer | string): number {
  return (checksum + crc32(value)) % 2 ** 48;
}

const RECORDS_AT_ONCE = 2_000;

/** Makes `folder` and writes `files` files to it, with at least `bytes` bytes together. */
export async function writeInput(folder: string, kind: LineKind, files: number, bytes: number): Promise<Input> {
  await mkdir(folder, { recursive: true });
  const path = (file: number) => join(folder, `${String(file).padStart(6, '0')}.log`);
  const input: Input = {
    path: files === 1 ? path(0) : join(folder, '*.log'),
    files,
    bytes: 0,
    records: 0,
    checksum: 0,
  };
  for (let file = 0, index = 0; file < files; file++) {
    const out = createWriteStream(path(file), { encoding: 'latin1' });
    const target = Math.round((bytes * (file + 1)) / files);
    while (input.bytes < target) {
      const part: string[] = [];
      for (; part.length < RECORDS_AT_ONCE && input.bytes < target; index++) {
        const record = kind.record(index);
        part.push(record);
        input.bytes += record.length;
        if (kind.passes && !kind.passes(record)) continue;
        input.records++;
        input.checksum = addTo(input.checksum, Buffer.from(record.slice(0, -1), 'latin1'));
      }
      if (!out.write(part.join(''), 'latin1')) await once(out, 'drain');
    }
    out.end();
    await finished(out);
  }
  return input;
}
