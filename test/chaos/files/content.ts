import type { Life } from './life.ts';

/** Lines with which many files begin. */
const BANNER = Array.from({ length: 12 }, (_, line) => `# banner ${line} ${'='.repeat(30 + line)}\n`).join('');
const FILLER = 'abcdefghijklmnopqrstuvwxyz0123456789-'.repeat(4);
const FILLER_MAX = 120;
export const LONG_LINE_BYTES = 300_000;

/** Who numbers lines. */
type Numbered = Pick<Life, 'id' | 'linesBegun'>;

/** Each line says whose it is, so that a record without headers could be assigned, too. */
export function lines(life: Numbered, count: number, terminator = '\n'): Buffer {
  const texts = Array.from({ length: count }, () => text(life) + terminator);
  return Buffer.from(texts.join(''));
}

function text(life: Numbered): string {
  const line = life.linesBegun++;
  return `L${life.id}.${line} ${FILLER.slice(0, (life.id * 7 + line * 13) % FILLER_MAX)}`;
}

/** The first part of a line. Whatever comes next completes it. */
export function halfLine(life: Life): Buffer {
  return Buffer.from(text(life));
}

export function longLine(life: Life): Buffer {
  return Buffer.from(`${text(life)} ${'y'.repeat(LONG_LINE_BYTES)}\n`);
}

/** How a new file begins. Files with the same `choice` begin alike, except for 0 and 1. */
export function head(choice: number): Buffer {
  switch (choice % 4) {
    case 2:
      return Buffer.from(BANNER.slice(0, BANNER.indexOf('\n') + 1));
    case 3:
      return Buffer.from(BANNER.repeat(3));
    default:
      return Buffer.alloc(0);
  }
}
