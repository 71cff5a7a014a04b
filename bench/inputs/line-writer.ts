import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const QUOTE = 0x22;
const ZERO = 0x30;

export interface LineWriter {
  /** Lines a second, over all files. */
  readonly rate: number;
  /** Stops it. Returns how many lines it has written. */
  stop(): Promise<number>;
}

/** Starts append-lines.ts, which ends with this process. */
export function startLineWriter(files: readonly string[], rate: number): LineWriter {
  const script = join(import.meta.dirname, 'append-lines.ts');
  const child = spawn(process.execPath, [script, '--rate', String(rate), ...files], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  const printed = text(child.stdout);
  const exited = once(child, 'exit');
  let stopped: Promise<number> | undefined;
  return {
    rate,
    stop: () => {
      stopped ??= (async () => {
        child.stdin.end('stop');
        await exited;
        return Number(await printed);
      })();
      return stopped;
    },
  };
}

/** When a line was written: ns of CLOCK_MONOTONIC (process.hrtime.bigint()) after `sinceNs`. */
export function writtenAtNs(bytes: Buffer, start: number, sinceNs: number): number {
  const at = behindQuote(bytes, start);
  return digits(bytes, at, at + 20) - sinceNs;
}

/** The number of the file that a line was written to. */
export function fileOf(bytes: Buffer, start: number): number {
  const at = behindQuote(bytes, start);
  return digits(bytes, at + 21, at + 27);
}

function behindQuote(bytes: Buffer, start: number): number {
  return bytes[start] === QUOTE ? start + 1 : start;
}

/** Exact up to 2^53 ns, which is 104 days of uptime; to some ns beyond that. */
function digits(bytes: Buffer, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) value = value * 10 + (bytes[at] as number) - ZERO;
  return value;
}
