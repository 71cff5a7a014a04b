const SIZE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
const AGE_UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const;

/** `12.3 MiB`; whole numbers below 1 KiB. */
export function size(bytes: number | bigint): string {
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < SIZE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${SIZE_UNITS[unit]}`;
}

/** `1,234` */
export function count(value: number | bigint): string {
  return Math.round(Number(value)).toLocaleString('en-US');
}

/** How long ago, as kubectl writes it: `5s`, `3m`, `2h`, `4d`; `-` when it is not known. */
export function age(time: Date | undefined, nowMs = Date.now()): string {
  return time ? span((nowMs - time.getTime()) / 1000) : '-';
}

/** `5s`, `3m`, `2h`, `4d`; never less than `0s`. */
export function span(wanted: number): string {
  const seconds = Math.max(0, Math.floor(wanted));
  const [unit, length] = AGE_UNITS.find(([, unitSeconds]) => seconds >= unitSeconds) ?? ['s', 1];
  return `${Math.floor(seconds / length)}${unit}`;
}

/** `STATE_APPLIED` → `Applied`, `REASON_TOO_LONG` → `Too-long` */
export function word(value: string): string {
  const last = value
    .replace(/^(STATE|LIVENESS|KIND|REASON|CHANGE)_/, '')
    .replaceAll('_', '-')
    .toLowerCase();
  return last.charAt(0).toUpperCase() + last.slice(1);
}

/** Without control characters, but for tabs and line feeds: what others have named must not tell a terminal what to do. */
export function harmless(text: string): string {
  return text.replace(/[^\P{Cc}\t\n]/gu, '\uFFFD');
}

export interface Column<Row> {
  title: string;
  value(row: Row): string;
}

/** Rows under titles, columns three spaces apart, as kubectl prints them. */
export class Table<Row> {
  readonly #columns: readonly Column<Row>[];
  #widths: number[];

  constructor(columns: readonly Column<Row>[]) {
    this.#columns = columns;
    this.#widths = columns.map(({ title }) => title.length);
  }

  /** The titles and the rows; later rows keep these widths. */
  render(rows: readonly Row[]): string {
    const cells = rows.map((row) => this.#cells(row));
    this.#widths = this.#widths.map((width, index) =>
      Math.max(width, ...cells.map((line) => (line[index] as string).length)),
    );
    return [this.#columns.map(({ title }) => title), ...cells].map((line) => this.#line(line)).join('');
  }

  row(row: Row): string {
    return this.#line(this.#cells(row));
  }

  /** A cell is one line, whatever is in it. */
  #cells(row: Row): string[] {
    return this.#columns.map(({ value }) => harmless(value(row)).replaceAll(/[\t\n]/g, ' '));
  }

  #line(cells: readonly string[]): string {
    return `${cells
      .map((cell, index) => cell.padEnd(this.#widths[index] as number))
      .join('   ')
      .trimEnd()}\n`;
  }
}

/** `NAME:  value` lines, the values under one another. */
export function fields(pairs: readonly (readonly [string, string])[], indent = ''): string {
  const width = Math.max(...pairs.map(([name]) => name.length)) + 1;
  return pairs.map(([name, value]) => `${indent}${`${name}:`.padEnd(width)}  ${harmless(value)}\n`).join('');
}
