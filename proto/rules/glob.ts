import picomatch from 'picomatch';

const GLOB_BYTES_MAX = 4096;
const MAGIC = /[*?[\]{}()!]/;

/**
 * As in a shell, `*` does not match a leading dot. Extended globs such as `+(…)` are off, so
 * parentheses are ordinary characters. `posix` makes `[!a]` the same as `[^a]`.
 */
const OPTIONS = {
  dot: false,
  noextglob: true,
  nonegate: true,
  posix: true,
  strictBrackets: true,
  strictSlashes: true,
} as const;

/** What is wrong with a glob and the remedy; undefined if it is valid. */
export function globProblem(glob: string): string | undefined {
  if (glob === '') return 'is empty: use an absolute path such as "/var/log/nginx/*.log"';
  if (Buffer.byteLength(glob) > GLOB_BYTES_MAX) return `is longer than ${GLOB_BYTES_MAX} bytes: shorten it`;
  if (glob.includes('\0')) return 'contains a NUL byte, which no path can contain: remove it';
  if (glob.endsWith('/')) return 'ends with "/": name files, such as "/var/log/*.log"';
  if (glob.split('/').some((part) => part === '.' || part === '..')) return 'contains "." or "..": use the full path';
  const unbalanced = unbalancedBracket(glob);
  if (unbalanced) return `has an unbalanced "${unbalanced}": balance it, or escape it with "\\"`;
  return syntaxProblem(glob);
}

/** The glob with each run of slashes as one, as the kernel reads a path: see path_resolution(7). */
export function joinSlashes(glob: string): string {
  return glob.replace(/\/{2,}/g, '/');
}

/** Returns a function that tests whether an absolute path matches. Throws for an invalid glob. */
export function compileGlob(glob: string): (path: string) => boolean {
  const problem = globProblem(glob);
  if (problem) throw new Error(`glob ${JSON.stringify(glob)} ${problem}`);
  return picomatch(glob, OPTIONS);
}

/**
 * The longest leading folder without wildcards, where the search for files begins. A glob without
 * wildcards is its own base.
 */
export function globBase(glob: string): string {
  if (!MAGIC.test(glob) && !glob.includes('\\')) return glob;
  const parts = glob.split('/');
  const first = parts.findIndex((part) => MAGIC.test(part) || part.includes('\\'));
  return parts.slice(0, first).join('/') || '/';
}

function unbalancedBracket(glob: string): string | undefined {
  const open: string[] = [];
  for (let at = 0; at < glob.length; at++) {
    const char = glob[at] as string;
    if (char === '\\') at++;
    else if (open.at(-1) === '[') {
      // A character class such as [[:digit:]].
      const classEnd = glob.startsWith('[:', at) ? glob.indexOf(':]', at + 2) : -1;
      if (classEnd !== -1) at = classEnd + 1;
      else if (char === ']') open.pop();
    } else if (char === '[' || char === '{') open.push(char);
    else if (char === '}') {
      if (open.pop() !== '{') return '}';
    } else if (char === ']') return ']';
  }
  return open.at(-1);
}

/**
 * Results of syntaxProblem. Compiling a glob takes longer than all other checks of an entry, and
 * most writes contain globs that were checked before.
 */
const compiled = new Map<string, string | undefined>();
const COMPILED_MAX = 1_000;

function syntaxProblem(glob: string): string | undefined {
  if (compiled.has(glob)) return compiled.get(glob);
  let problem: string | undefined;
  try {
    picomatch.makeRe(glob, OPTIONS);
  } catch (error) {
    problem = `is not a valid glob: ${(error as Error).message}`;
  }
  if (compiled.size >= COMPILED_MAX) compiled.clear();
  compiled.set(glob, problem);
  return problem;
}
