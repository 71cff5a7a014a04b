import { compileGlob, globBase, globProblem } from '../../../proto/rules/glob.ts';

/** The most globs that one glob with slashes within braces is expanded to. */
const EXPANDED_MAX = 100;
const ANY_DEPTH = '**';

/** The parts of one glob that can match folders: `/a`, `/a/*` and so on. */
interface Prefix {
  part: number;
  matches(path: string): boolean;
}

/**
 * How far the paths of folders match globs. Two folders with the same progress have the same
 * matches below, because only the rest of each glob decides. So a folder that several links lead to
 * need not be searched twice, unless its paths differ in their progress.
 */
export class GlobProgress {
  readonly #paths: readonly (readonly Prefix[])[];
  readonly #excluded: readonly (readonly Prefix[])[];
  /** Whether all globs can be divided at their slashes. */
  readonly #isDivisible: boolean;

  constructor(paths: readonly string[], excluded: readonly string[]) {
    // No path has an empty part.
    const expand = (globs: readonly string[]) =>
      globs.flatMap(expandSlashBraces).filter((glob) => !glob.includes('//'));
    const expanded = [expand(paths), expand(excluded)];
    this.#isDivisible = expanded.flat().every(isDivisible);
    [this.#paths = [], this.#excluded = []] = expanded.map((globs) => globs.filter(isDivisible).map(prefixesOf));
  }

  /** The progress at a folder; undefined: nothing in it or below it can match. */
  at(folder: string): string | undefined {
    if (!this.#isDivisible) return folder;
    const paths = this.#paths.map((prefixes) => progressOf(prefixes, folder));
    if (paths.every((progress) => progress === '')) return undefined;
    return [...paths, ...this.#excluded.map((prefixes) => progressOf(prefixes, folder))].join();
  }
}

function progressOf(prefixes: readonly Prefix[], folder: string): string {
  const parts = new Set<number>();
  for (const { part, matches } of prefixes) if (!parts.has(part) && matches(folder)) parts.add(part);
  return [...parts].join('+');
}

function prefixesOf(glob: string): Prefix[] {
  const parts = glob.split('/');
  const prefixes = parts.at(-1) === ANY_DEPTH ? parts : parts.slice(0, -1);
  return prefixes.map((_, at) => {
    const prefix = parts.slice(0, at + 1).join('/');
    // `**` also matches no folder at all, so the prefix before it has the same rest.
    let part = at;
    while (parts[part + 1] === ANY_DEPTH) part++;
    const isPlain = globBase(prefix) === prefix;
    return { part, matches: isPlain ? (path) => path === (prefix || '/') : compileGlob(prefix) };
  });
}

/** Whether each slash of a glob separates two parts. It may also be in brackets or escaped. */
function isDivisible(glob: string): boolean {
  return !glob.includes('\\/') && glob.split('/').every((part) => part === '' || globProblem(part) === undefined);
}

/** `/{a/b,c}/d` → `/a/b/d`, `/c/d`. Braces without a slash stay. */
function expandSlashBraces(glob: string): string[] {
  const globs = [glob];
  for (let at = 0; at < globs.length && globs.length <= EXPANDED_MAX; ) {
    const group = slashBraces(globs[at] as string);
    if (group) globs.splice(at, 1, ...group);
    else at++;
  }
  return globs;
}

/** The globs that the first braces with a slash stand for; undefined: the glob has none. */
function slashBraces(glob: string): string[] | undefined {
  let depth = 0;
  let cuts: number[] = [];
  for (let at = 0; at < glob.length; at++) {
    const char = glob[at];
    if (char === '\\') at++;
    else if (char === '{' && depth++ === 0) cuts = [at];
    else if (char === ',' && depth === 1) cuts.push(at);
    else if (char === '}' && --depth === 0) {
      const [start = 0] = cuts;
      if (!glob.slice(start, at).includes('/') || cuts.length === 1) continue;
      const alternatives = cuts.map((cut, index) => glob.slice(cut + 1, cuts[index + 1] ?? at));
      return alternatives.map((one) => glob.slice(0, start) + one + glob.slice(at + 1));
    }
  }
  return undefined;
}
