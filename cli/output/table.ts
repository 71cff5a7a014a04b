import { harmless } from './format.ts';

export interface Column<Row> {
  title: string;
  value(row: Row): string;
}

/** Rows below titles, with three spaces between columns, as kubectl prints them. */
export class Table<Row> {
  readonly #columns: readonly Column<Row>[];
  #widths: number[];

  constructor(columns: readonly Column<Row>[]) {
    this.#columns = columns;
    this.#widths = columns.map(({ title }) => title.length);
  }

  /** Renders the titles and the rows. Rows rendered later keep these column widths. */
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

  /** Line breaks and tabs in a value would break the table. */
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

/** Renders `NAME:  value` lines with the values aligned. */
export function fields(pairs: readonly (readonly [string, string])[], indent = ''): string {
  const width = Math.max(...pairs.map(([name]) => name.length)) + 1;
  return pairs.map(([name, value]) => `${indent}${`${name}:`.padEnd(width)}  ${harmless(value)}\n`).join('');
}
