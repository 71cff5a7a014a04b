import { readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { keyOf } from '../../model/found-file.ts';
import type { MatchedPath } from './matched-path.ts';

/** The most links that the system follows in one path (path_resolution(7)). */
const LINKS_MAX = 40;

/** Where a link leads. */
interface LinkChain {
  /** The `fileKey` of the file behind the link when the paths were read. undefined: none. */
  key: string | undefined;
  /** The paths of further links and of the file, in order. Their folders have no links. */
  paths: readonly string[];
}

/**
 * Watches what is behind the links that an entry matches. A link's folder has no event when its
 * target is written, rotated or created, but the folders to which the link leads have.
 */
export class LinkTargets {
  readonly #watch: (path: string, key: string) => boolean;
  /** By the link's path, of the last scan. */
  #chains = new Map<string, LinkChain>();
  /** The same of the present scan. */
  #found = new Map<string, LinkChain>();
  /** The links that lead over each path. */
  readonly #linksTo = new Map<string, Set<string>>();

  /** `watch` watches a folder. It returns whether the folder was watched before. */
  constructor(watch: (path: string, key: string) => boolean) {
    this.#watch = watch;
  }

  /** The links that lead to or over `path`. */
  linksTo(path: string): Iterable<string> {
    return this.#linksTo.get(path) ?? [];
  }

  /** The paths in a folder to or over which links lead. */
  pathsIn(folder: string): string[] {
    return [...this.#linksTo.keys()].filter((path) => dirname(path) === folder);
  }

  /**
   * Watches the folders to which an observed path leads, if it is a link. Returns false if one was
   * not watched before: then the path must be observed again.
   */
  async watch({ path, file }: MatchedPath, signal: AbortSignal): Promise<boolean> {
    const known = this.#chains.get(path);
    const isSame = file !== undefined && known?.key === file.key;
    const chain = isSame ? known : { key: file?.key, paths: await pathsBehind(path) };
    this.#found.set(path, chain);
    this.#add(path, chain);
    let watched = true;
    for (const folder of new Set(chain.paths.map((at) => dirname(at)))) {
      const key = await stat(folder, { bigint: true }).then(keyOf, () => undefined);
      if (signal.aborted) return true;
      if (key !== undefined && !this.#watch(folder, key)) watched = false;
    }
    return watched;
  }

  /** Call after a scan: forgets the links that it did not find. */
  scanned(): void {
    this.#chains = this.#found;
    this.#found = new Map();
    this.#linksTo.clear();
    for (const [link, chain] of this.#chains) this.#add(link, chain);
  }

  #add(link: string, { paths }: LinkChain): void {
    for (const path of paths) {
      const links = this.#linksTo.get(path) ?? new Set();
      this.#linksTo.set(path, links.add(link));
    }
  }
}

/** The paths over which a link leads, as far as they exist; none if `link` is no link. */
async function pathsBehind(link: string): Promise<string[]> {
  const paths: string[] = [];
  for (let at = link; paths.length < LINKS_MAX; ) {
    // An error ends the chain. Observing the link reports it.
    const target = await readlink(at).catch(() => undefined);
    if (target === undefined) break;
    // Not normalised: after a linked folder, `..` is the folder above the link's target.
    const next = target.startsWith('/') ? target : `${dirname(at)}/${target}`;
    const folder = await realpath(dirname(next)).catch(() => undefined);
    if (folder === undefined) break;
    at = join(folder, basename(next));
    paths.push(at);
  }
  return paths;
}
