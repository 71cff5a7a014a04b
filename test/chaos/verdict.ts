/** How many lines a writer wrote to one generation of its file. */
export interface LifeWritten {
  writer: string;
  life: number;
  lines: number;
}

/** Lines, counted by their text. */
export interface FileCounts {
  written: number;
  lost: number;
  /** Not delivered, but covered by a `loss` fact. */
  declared: number;
  /** Copies beyond the first. */
  doubled: number;
  altered: number;
}

export interface Verdict {
  ok: boolean;
  records: number;
  /** Records that nobody wrote. */
  foreign: number;
  total: FileCounts;
  /** By writer. */
  files: Record<string, FileCounts>;
  /** Judged by the headers. */
  tiling: {
    generations: number;
    /** Records of ranges that had already arrived. */
    overlaps: number;
    /** Records whose range is not their line's. */
    misplaced: number;
    /** Bytes within generations that neither a record nor a `loss` covers. */
    holes: number;
    /** Generations whose end differs from that in their `sealed` fact. */
    sealedWrong: number;
  };
  /** The first violations, in words. */
  examples: string[];
}

export function noCounts(): FileCounts {
  return { written: 0, lost: 0, declared: 0, doubled: 0, altered: 0 };
}

/** The verdict for people: a line of totals, a table of the files, and the violations. */
export function verdictText({ ok, records, foreign, total, files, tiling, examples }: Verdict): string {
  const counts = (one: FileCounts) =>
    `${number(one.written)} written, ${number(one.lost)} lost, ${number(one.doubled)} doubled, ${number(one.altered)} altered` +
    (one.declared > 0 ? `, ${number(one.declared)} reported as loss` : '');
  const lines = [
    `${ok ? 'OK' : 'VIOLATIONS'}: ${counts(total)}; ${number(records)} records, ${number(foreign)} that nobody wrote`,
    ...Object.entries(files).map(([name, one]) => `  ${name.padEnd(16)} ${counts(one)}`),
    `  by the headers: ${number(tiling.generations)} generations, ${number(tiling.overlaps)} ranges twice, ${number(tiling.holes)} bytes in holes, ` +
      `${number(tiling.misplaced)} misplaced, ${number(tiling.sealedWrong)} sealed elsewhere`,
    ...examples.map((text) => `  - ${text}`),
  ];
  return `${lines.join('\n')}\n`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
