import type { LineFormat } from '../../encode/line-format.ts';
import type { Route } from '../../produce/route.ts';
import type { FormatOf, FormattedSource } from './line-formats.ts';

/** Where the lines of a source are sent, and in which format. */
export class RouteAssignment {
  readonly route: Route;
  readonly #formatOf: FormatOf;
  /** The file's path when the source was assigned: its headers name it even after a rename. */
  readonly #path: string;
  #format: LineFormat | undefined;

  constructor(route: Route, formatOf: FormatOf, path: string) {
    this.route = route;
    this.#formatOf = formatOf;
    this.#path = path;
  }

  /** Whether the source has read by this assignment, and keeps its format. */
  get hasFormat(): boolean {
    return this.#format !== undefined;
  }

  /** Made when the first line is read, because most of thousands of sources have none to read. */
  formatFor(source: FormattedSource): LineFormat {
    this.#format ??= this.#formatOf(source, this.#path);
    return this.#format;
  }

  releaseFormat(): void {
    this.#format = undefined;
  }
}
