import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import type { LineKind } from './line-kinds.ts';

/** Files on the disk, and what of them has to come to the topic. */
export interface Input {
  /** The glob of them all, or the only one's path. */
  path: string;
  files: number;
  bytes: number;
  records: number;
  /** Of the records' values: their CRC-32s, added by `addTo`, so that the order does not matter. */
  checksum: number;
}

/** Adds one value to a sum of checksums, which stays exact. */
export function addTo(checksum: number, value: Buffer | string): number {
  return (checksum + crc32(value)) % 2 ** 48;
}

const RECORDS_AT_ONCE = 2_000;

/** Writes `files` files of at least `bytes` bytes together into `folder`, which is made. */
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
