import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, symlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemClock } from '../../../runtime/clock.ts';
import { extend, Life } from './life.ts';
import { LAYOUTS, type Layout, type LayoutName, type Selection } from './plan.ts';
import { isUtf8, type RealFile, raw, readTree, type Tree } from './tree.ts';

/** Folders that no glob matches, and that each layout has. */
const OTHER_FOLDERS = ['out', 'links'];

/**
 * The files of a run, and the truth about them. All changes go through it or are followed by
 * `refresh`.
 */
export class World {
  readonly root: string;
  readonly layout: Layout;
  readonly lives: Life[] = [];
  /** When a path within the globs that is not UTF-8 appeared, by path. */
  readonly notUtf8 = new Map<string, number>();
  /** How many bytes of NULs are allocated in an inode beyond its content. */
  readonly allocated = new Map<bigint, number>();
  /** Descriptors that writers keep open, without O_APPEND, and where each writes next. */
  readonly held = new Map<bigint, { fd: number; position: number }>();
  readonly #byInode = new Map<bigint, Life>();
  #selection: Selection;
  #tree: Tree;

  constructor(root: string, layout: LayoutName) {
    this.root = root;
    this.layout = LAYOUTS[layout];
    for (const folder of [...this.layout.folders, ...OTHER_FOLDERS])
      mkdirSync(`${root}/${folder}`, { recursive: true });
    for (const [path, target] of this.layout.links) symlinkSync(`${root}/${target}`, `${root}/${path}`);
    this.#selection = { globs: this.layout.globs, exclude: [] };
    this.#tree = readTree(root, this.#selection);
    for (const { path, inode } of this.#tree.files)
      this.begin(inode, 'truncated').append(this.read(path), systemClock.monotonicMs());
    this.refresh();
  }

  get tree(): Tree {
    return this.#tree;
  }

  get selection(): Selection {
    return this.#selection;
  }

  /** The globs as absolute paths. */
  get globs(): string[] {
    return this.#selection.globs.map((glob) => `${this.root}/${glob}`);
  }

  /** Changes which files the entry collects. */
  select(selection: Selection): void {
    this.#selection = selection;
    // A file that the new globs don't match is not followed, unlike one that was moved.
    for (const life of this.#byInode.values()) life.folder = undefined;
    this.refresh();
  }

  at(path: string): string {
    return `${this.root}/${path}`;
  }

  /** Files with text, that operations may choose. */
  get textFiles(): RealFile[] {
    return this.#tree.files.filter(({ inode }) => this.#byInode.get(inode)?.kind === 'text');
  }

  /** A file with text; of those that the globs match, if there are any, four times out of five. */
  choose(target: number): RealFile | undefined {
    const files = this.textFiles;
    const matched = files.filter(({ inode }) => this.#tree.matched.has(inode));
    const pool = target % 5 === 0 || matched.length === 0 ? files : matched;
    return pool[Math.floor(target / 5) % Math.max(1, pool.length)];
  }

  lifeAt(inode: bigint): Life | undefined {
    return this.#byInode.get(inode);
  }

  /** Reads the tree, and records where each life lies now. */
  refresh(): void {
    const tree = readTree(this.root, this.#selection);
    this.#tree = tree;
    const nowMs = systemClock.monotonicMs();
    const folders = new Map(Map.groupBy(tree.files, ({ inode }) => inode));
    for (const path of tree.notUtf8) if (!this.notUtf8.has(path)) this.notUtf8.set(path, nowMs);
    for (const path of this.notUtf8.keys()) if (!tree.notUtf8.includes(path)) this.notUtf8.delete(path);
    for (const [inode, life] of this.#byInode) {
      const paths = tree.matched.get(inode) ?? [];
      const places = folders.get(inode) ?? [];
      for (const path of paths) life.paths.add(this.at(path));
      const isMatched = paths.length > 0;
      const inFolder = places.find(({ folder, path }) => life.folder?.inode === folder && isUtf8(path));
      const [place] = places;
      // An agent that was down knows only the last folder of a file, and one path of it.
      if (places.length !== 1 || !place) life.folder = isMatched || !inFolder ? undefined : life.folder;
      else if (!inFolder) life.folder = isMatched ? { inode: place.folder, sinceMs: nowMs } : undefined;
      extend(life.matched, isMatched, nowMs);
      extend(life.near, !isMatched && inFolder !== undefined, nowMs, { sinceMs: life.folder?.sinceMs ?? nowMs });
      if (places.length === 0 && !this.held.has(inode)) this.#end(inode, 'deleted', nowMs);
    }
  }

  /**
   * Writes a new file, or a new content into the file at the path. Returns its life, which is text
   * and empty unless `life` says otherwise.
   */
  write(
    path: string,
    content: (life: Life) => Buffer,
    { kind = 'text', copyOf }: Partial<Pick<Life, 'kind' | 'copyOf'>> = {},
  ): Life {
    const fd = openSync(raw(this.at(path)), 'w');
    try {
      const { ino } = fstatSync(fd, { bigint: true });
      const life = this.begin(ino, 'truncated', { kind, copyOf });
      const bytes = content(life);
      writeSync(fd, bytes);
      if (kind === 'text') life.append(bytes, systemClock.monotonicMs());
      return life;
    } finally {
      closeSync(fd);
      this.refresh();
    }
  }

  /** Ends the content of an inode, and begins another one. */
  begin(inode: bigint, how: 'truncated' | 'overwritten', options: Partial<Pick<Life, 'kind' | 'copyOf'>> = {}): Life {
    const nowMs = systemClock.monotonicMs();
    const previous = this.#byInode.get(inode);
    const allocated = how === 'overwritten' ? this.allocated.get(inode) : undefined;
    if (previous) this.#end(inode, how, nowMs);
    const life = new Life(this.lives.length, nowMs, { ...options, previous });
    this.lives.push(life);
    this.#byInode.set(inode, life);
    this.allocated.delete(inode);
    if (allocated !== undefined) this.allocated.set(inode, allocated);
    return life;
  }

  /**
   * Writes at the end of what was written to a file, by a descriptor that is held or by its path.
   */
  append(file: RealFile, content: (life: Life) => Buffer): void {
    const life = this.#byInode.get(file.inode);
    if (!life) return;
    const bytes = content(life);
    const held = this.held.get(file.inode);
    const fd = held?.fd ?? openSync(raw(this.at(file.path)), this.allocated.has(file.inode) ? 'r+' : 'a');
    try {
      if (held) {
        // The middle of a file is not changed: nothing is promised for that.
        held.position = Math.max(held.position, life.size);
        life.appendHole(held.position - life.size, systemClock.monotonicMs());
        writeSync(fd, bytes, 0, bytes.length, held.position);
        held.position += bytes.length;
      } else if (this.allocated.has(file.inode)) writeSync(fd, bytes, 0, bytes.length, life.size);
      else writeSync(fd, bytes);
      life.append(bytes, systemClock.monotonicMs());
    } finally {
      if (!held) closeSync(fd);
    }
    // An overlay may have copied the file up.
    this.refresh();
  }

  read(path: string): Buffer {
    return readFileSync(raw(this.at(path)));
  }

  release(inode: bigint): void {
    const held = this.held.get(inode);
    if (!held) return;
    closeSync(held.fd);
    this.held.delete(inode);
    this.refresh();
  }

  /** Closes what is held. */
  close(): void {
    for (const { fd } of this.held.values()) closeSync(fd);
    this.held.clear();
  }

  #end(inode: bigint, how: 'truncated' | 'deleted' | 'overwritten', nowMs: number): void {
    const life = this.#byInode.get(inode);
    if (!life) return;
    life.end = { atMs: nowMs, how };
    extend(life.matched, false, nowMs);
    extend(life.near, false, nowMs, { sinceMs: nowMs });
    this.#byInode.delete(inode);
    this.allocated.delete(inode);
  }
}

/** The folder of a path relative to the root. */
export function folderOf(path: string): string {
  const folder = dirname(path);
  return folder === '.' ? '' : folder;
}
