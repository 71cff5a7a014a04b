import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LOGHUB } from '../../test/support/loghub.ts';
import { DROPPED } from '../tools/tool.ts';

/** The lines of a workload's files: the same every time. */
export interface LineKind {
  /** The text of the record with this number, with its terminator. It may have several lines. */
  record(index: number): string;
  /** Whether the entry's filter keeps the record. Without this function all are kept. */
  passes?(record: string): boolean;
}

/** Scattered by Knuth's multiplicative hash, so that lines differ as in real logs. */
function scattered(index: number): number {
  return (index * 2_654_435_761) % 2 ** 32;
}

function pad(value: number): string {
  return String(value % 60).padStart(2, '0');
}

/** About 190 bytes. */
export const accessLog: LineKind = {
  record: (index) => {
    const id = scattered(index);
    const address = `10.${index % 250}.${(index >> 3) % 250}.${id % 250}`;
    const time = `24/Nov/2026:08:${pad(index >> 8)}:${pad(index >> 2)} +0000`;
    const request = `GET /api/v1/items/${id}?page=${index % 97} HTTP/1.1`;
    const agent = `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/1${index % 40}.0`;
    return `${address} - - [${time}] "${request}" ${index % 17 ? 200 : 404} ${id % 50_000} "https://example.com/p/${id % 1000}" "${agent}"\n`;
  },
};

export const filteredLog: LineKind = { ...accessLog, passes: (record) => !record.includes(DROPPED) };

/** 20 bytes with the terminator. */
export const shortLines: LineKind = {
  record: (index) => `${String(index % 1e9).padStart(9, '0')} ${String(scattered(index) % 1e9).padStart(9, 'x')}\n`,
};

/** 16 KiB with the terminator. */
export const longLines: LineKind = {
  record: (index) => {
    let text = '';
    for (let at = index * 2_000; text.length < 16_383; at++) text += `${scattered(at).toString(36)} `;
    return `${text.slice(0, 16_383)}\n`;
  },
};

const LEVELS = ['info', 'debug', 'info', 'warn', 'debug', 'info', 'info', 'error'];

/** About 190 bytes; a quarter has the level debug. */
export const jsonLines: LineKind = {
  record: (index) => {
    const id = scattered(index);
    return `${JSON.stringify({
      time: `2026-11-24T08:${pad(index >> 8)}:${pad(index >> 2)}.${String(id % 1000).padStart(3, '0')}Z`,
      level: LEVELS[index % LEVELS.length],
      logger: `shop.orders.${id % 31}`,
      msg: `order ${id} of customer ${id % 9973} was placed, ${index % 7} items, ${id % 400} EUR`,
      trace: id.toString(16).padStart(32, 'a'),
    })}\n`;
  },
  passes: (record) => !record.includes('"level":"debug"'),
};

/** A line of a service's log; after each fifth one, a stack trace of 12 lines. */
export const stackTraces: LineKind = {
  record: (index) => {
    const id = scattered(index);
    const time = `2026-11-24 08:${pad(index >> 8)}:${pad(index >> 2)},${String(id % 1000).padStart(3, '0')}`;
    if (index % 5 !== 0)
      return `${time} INFO  [worker-${index % 16}] shop.Orders - order ${id} placed in ${id % 900} ms\n`;
    const frames = Array.from(
      { length: 12 },
      (_, depth) => `\tat com.example.shop.Layer${depth}.call(Layer${depth}.java:${(id >> depth) % 500})\n`,
    );
    return `${time} ERROR [worker-${index % 16}] shop.Orders - order ${id} failed\n${frames.join('')}`;
  },
};

/** Real logs of thirteen systems, in turn; undefined if they are not beside the checkout. */
export function loghubMix(): LineKind | undefined {
  if (!existsSync(LOGHUB)) return undefined;
  const files = readdirSync(LOGHUB)
    .sort()
    .map((name) => readFileSync(join(LOGHUB, name), 'latin1').replace(/\n$/, '').split('\n'));
  return {
    record: (index) => {
      const lines = files[index % files.length] as string[];
      return `${lines[Math.floor(index / files.length) % lines.length]}\n`;
    },
  };
}
