import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, ftruncateSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { systemClock } from '../../../runtime/clock.ts';
import { head, lines } from './content.ts';
import type { Life } from './life.ts';
import type { FileOperationKind, Operation } from './plan.ts';
import { isThere, type RealFile, raw } from './tree.ts';
import type { World } from './world.ts';

type ContentOperationKind = Extract<
  FileOperationKind,
  | 'copytruncate'
  | 'truncate'
  | 'rewrite'
  | 'rewrite-same-head'
  | 'overwrite'
  | 'truncate-hole'
  | 'preallocate'
  | 'preallocate-write'
  | 'preallocate-cut'
  | 'delete'
  | 'recreate-same-inode'
  | 'compress'
  | 'replace-by-editor'
  | 'sparse-huge'
  | 'hold'
  | 'release'
>;

/** More than the longest line that is sent whole. */
const PREALLOCATED_BYTES = 1024 * 1024;
const SAME_INODE_ATTEMPTS = 40;
const ONE_TICK_ATTEMPTS = 20;
/** Beyond 2^53, and the largest size that a file can have on Linux. */
const HUGE_BYTES = [5_000_000_000_000_000_000n, 2n ** 63n - 1n];

/** Operations that end contents or begin them. */
export const CONTENT_OPERATIONS: Record<
  ContentOperationKind,
  (world: World, operation: Operation) => string | undefined
> = {
  copytruncate: (world, { target, choice, amount }) =>
    withFile(world, target, ({ path, inode }) => {
      const original = world.lifeAt(inode) as Life;
      // Of a preallocated file, what was written.
      const bytes = world.read(path).subarray(0, original.size);
      const archive = [`${path}.1`, `${path}-20261130`, `out/${path.split('/').at(-1)}.1`, undefined][choice % 4];
      if (archive !== undefined)
        world
          .write(archive, () => bytes, { copyOf: { life: original, size: bytes.length } })
          .holes.push(...original.holes);
      truncateTo(world, { path }, 0);
      const life = world.begin(inode, 'truncated');
      if (choice % 3 !== 0) appendAt(world, path, life, lines(life, amount));
      return `cp ${path} ${archive}; truncate (life ${original.id} ends); ${life.size} bytes (life ${life.id})`;
    }),
  truncate: (world, { target }) =>
    withFile(world, target, (file) => {
      truncateTo(world, file, 0);
      const life = world.begin(file.inode, 'truncated');
      return `truncate ${file.path} (life ${life.previous?.id} ends, life ${life.id} begins)`;
    }),
  // Smaller, equal or larger than before.
  rewrite: (world, { target, choice, amount }) =>
    withFile(world, target, ({ path, inode }) => {
      const { size = 0 } = world.lifeAt(inode) ?? {};
      const life = world.write(path, (own) => {
        const bytes = Buffer.concat([head(choice >> 2), lines(own, amount + 200)]);
        const wanted = [Math.floor(size / 2), size, bytes.length][choice % 3] as number;
        return lineOfLength(bytes, wanted);
      });
      return `rewrite ${path}: ${size} bytes before, ${life.size} now (life ${life.id})`;
    }),
  'rewrite-same-head': (world, { target, choice, amount }) =>
    withFile(world, target, ({ path, inode }) => {
      const old = world.lifeAt(inode) as Life;
      const headBytes = old.holes.length > 0 ? 0 : (old.sizes[choice % Math.max(1, old.sizes.length)] ?? 0);
      const bytes = Buffer.from(old.bytes.subarray(0, headBytes));
      const life = world.write(path, (own) => Buffer.concat([bytes, lines(own, amount * 3)]));
      return `rewrite ${path} with the same ${bytes.length} bytes as head, ${life.size} in all (life ${life.id})`;
    }),
  // Other bytes, at least as many, without a truncation in between.
  overwrite: (world, { target, amount }) =>
    withFile(world, target, (file) => {
      const { size = 0 } = world.lifeAt(file.inode) ?? {};
      const life = world.begin(file.inode, 'overwritten');
      let bytes = lines(life, amount + 10);
      while (bytes.length < size) bytes = Buffer.concat([bytes, lines(life, amount + 10)]);
      appendAt(world, file.path, life, bytes);
      return `overwrite ${file.path} in place with ${life.size} bytes (life ${life.id})`;
    }),
  // A writer without O_APPEND writes on at its position.
  'truncate-hole': (world, { target, amount }) =>
    withFile(world, target, (file) => {
      const { size = 0 } = world.lifeAt(file.inode) ?? {};
      truncateTo(world, file, 0);
      const life = world.begin(file.inode, 'truncated');
      const bytes = lines(life, amount + 1);
      life.appendHole(size, systemClock.monotonicMs());
      writeAt(world, file.path, bytes, size);
      life.append(bytes, systemClock.monotonicMs());
      return `truncate ${file.path}; its writer continues at ${size} (life ${life.id})`;
    }),
  preallocate: (world, { target, amount }) => {
    const folder = world.layout.folders[target % world.layout.folders.length] as string;
    const path = `${folder}/mapped-${target % 3}.log`;
    if (!isThere(world.at(folder)) || isThere(world.at(path))) return undefined;
    const life = world.write(path, () => Buffer.alloc(0));
    const inode = truncateTo(world, { path }, PREALLOCATED_BYTES);
    world.allocated.set(inode, PREALLOCATED_BYTES);
    appendAt(world, path, life, lines(life, amount));
    return `preallocate ${path} and write ${life.size} bytes (life ${life.id})`;
  },
  'preallocate-write': (world, { target, amount }) => {
    const file = allocatedFile(world, target);
    if (!file) return undefined;
    world.append(file, (life) => lines(life, amount));
    return `write ${amount} lines into ${file.path}, preallocated`;
  },
  'preallocate-cut': (world, { target }) => {
    const file = allocatedFile(world, target);
    if (!file) return undefined;
    truncateTo(world, file, world.lifeAt(file.inode)?.size ?? 0);
    world.allocated.delete(file.inode);
    return `cut ${file.path} to what was written`;
  },
  delete: (world, { target }) =>
    withFile(world, target, ({ path }) => {
      unlinkSync(raw(world.at(path)));
      return `rm ${path}`;
    }),
  'recreate-same-inode': (world, { target, choice, amount }) =>
    withFile(world, target, ({ path, inode }) => recreate(world, path, inode, choice, amount)),
  compress: (world, { target, choice }) =>
    withFile(world, target, ({ path }) => {
      const bytes = gzipSync(world.read(path));
      // Beside it, as gzip does, or in its place.
      world.write(choice % 3 === 0 ? path : `${path}.gz`, () => bytes, { kind: 'archive' });
      if (choice % 3 !== 0) unlinkSync(raw(world.at(path)));
      return `gzip ${path}${choice % 3 === 0 ? ' in its place' : ''}`;
    }),
  'replace-by-editor': (world, { target, amount }) =>
    withFile(world, target, ({ path }) => {
      const life = world.write(`${path}.swp`, (own) => lines(own, amount + 1));
      renameSync(raw(world.at(`${path}.swp`)), raw(world.at(path)));
      return `replace ${path} by a new file (life ${life.id})`;
    }),
  'sparse-huge': (world, { target, choice }) => {
    const folder = world.layout.folders[target % world.layout.folders.length] as string;
    const path = `${folder}/huge-${choice % 2}.log`;
    if (!isThere(world.at(folder)) || isThere(world.at(path))) return undefined;
    const bytes = HUGE_BYTES[choice % 2] as bigint;
    return createHuge(world, path, bytes);
  },
  hold: (world, { target }) =>
    withFile(world, target, ({ path, inode }) => {
      if (world.held.has(inode)) return undefined;
      world.held.set(inode, { fd: openSync(raw(world.at(path)), 'r+'), position: world.lifeAt(inode)?.size ?? 0 });
      return `open ${path} and keep it open`;
    }),
  release: (world, { target }) => {
    const inodes = [...world.held.keys()];
    const inode = inodes[target % Math.max(1, inodes.length)];
    if (inode === undefined) return undefined;
    world.release(inode);
    return 'close what was kept open';
  },
};

function withFile(world: World, target: number, apply: (file: RealFile) => string | undefined): string | undefined {
  const file = world.choose(target);
  return file && apply(file);
}

function allocatedFile(world: World, target: number): RealFile | undefined {
  const files = world.textFiles.filter(({ inode }) => world.allocated.has(inode));
  return files[target % Math.max(1, files.length)];
}

/** Returns the file's inode. */
function truncateTo(world: World, { path }: Pick<RealFile, 'path'>, size: number): bigint {
  const fd = openSync(raw(world.at(path)), 'r+');
  try {
    ftruncateSync(fd, size);
    return fstatSync(fd, { bigint: true }).ino;
  } finally {
    closeSync(fd);
  }
}

function appendAt(world: World, path: string, life: Life, bytes: Buffer): void {
  writeAt(world, path, bytes, life.size);
  life.append(bytes, systemClock.monotonicMs());
}

function writeAt(world: World, path: string, bytes: Buffer, position: number): void {
  const fd = openSync(raw(world.at(path)), 'r+');
  try {
    writeSync(fd, bytes, 0, bytes.length, position);
  } finally {
    closeSync(fd);
  }
}

/** Whole lines of at most `length` bytes, the last one cut so that it fits. */
function lineOfLength(bytes: Buffer, length: number): Buffer {
  if (length >= bytes.length || length < 2) return bytes;
  return Buffer.concat([bytes.subarray(0, length - 1), Buffer.from('\n')]);
}

/**
 * Deletes a file, and creates one with its inode whose times of birth and of change are equal. File
 * systems reuse the last inodes first.
 */
function recreate(world: World, path: string, inode: bigint, choice: number, amount: number): string {
  world.release(inode);
  for (const { path: other } of world.tree.files.filter((file) => file.inode === inode))
    unlinkSync(raw(world.at(other)));
  world.refresh();
  const spares = takeInodesBefore(world, path, inode);
  let [life, isInOneTick] = createInOneWrite(world, path, choice, amount);
  for (let attempt = 1; !isInOneTick && attempt < ONE_TICK_ATTEMPTS; attempt++) {
    unlinkSync(raw(world.at(path)));
    world.refresh();
    [life, isInOneTick] = createInOneWrite(world, path, choice, amount);
  }
  for (const spare of spares) unlinkSync(raw(world.at(spare)));
  const found = world.lifeAt(inode) === life ? 'the same' : 'another';
  const tick = isInOneTick ? 'one tick' : 'more than one tick';
  return `rm ${path} and create it with ${found} inode in ${tick}: ${life.size} bytes (life ${life.id})`;
}

/** Creates files outside the globs until the next file gets the inode. Returns their paths. */
function takeInodesBefore(world: World, path: string, inode: bigint): string[] {
  const spares: string[] = [];
  while (spares.length < SAME_INODE_ATTEMPTS) {
    const fd = openSync(raw(world.at(path)), 'wx');
    const { ino } = fstatSync(fd, { bigint: true });
    closeSync(fd);
    // The agent may see it, too.
    world.begin(ino, 'truncated');
    world.refresh();
    if (ino === inode) {
      unlinkSync(raw(world.at(path)));
      world.refresh();
      break;
    }
    const spare = `out/spare-${spares.length}`;
    renameSync(raw(world.at(path)), raw(world.at(spare)));
    spares.push(spare);
  }
  return spares;
}

/** Returns its life, and whether its times of birth and of change are equal. */
function createInOneWrite(world: World, path: string, choice: number, amount: number): [Life, boolean] {
  const writer = { id: world.lives.length, linesBegun: 0 };
  const bytes = Buffer.concat([head(choice), lines(writer, amount)]);
  const fd = openSync(raw(world.at(path)), 'wx');
  // Before fstat: once a time was read, Linux 6.13 gives the next change a finer one.
  writeSync(fd, bytes);
  const { ino, birthtimeNs, ctimeNs } = fstatSync(fd, { bigint: true });
  closeSync(fd);
  const life = world.begin(ino, 'truncated');
  life.linesBegun = writer.linesBegun;
  life.append(bytes, systemClock.monotonicMs());
  world.refresh();
  return [life, birthtimeNs === ctimeNs];
}

/** Node's ftruncate takes sizes up to 2^53 only, truncate(1) all that the kernel takes. */
function createHuge(world: World, path: string, bytes: bigint): string | undefined {
  const fd = openSync(raw(world.at(path)), 'w');
  try {
    world.begin(fstatSync(fd, { bigint: true }).ino, 'truncated', { kind: 'huge' });
    world.refresh();
  } finally {
    closeSync(fd);
  }
  const { status } = spawnSync('sh', ['-c', 'truncate -s "$0" "$1"', String(bytes), world.at(path)]);
  if (status === 0) return `truncate -s ${bytes} ${path}`;
  // The file system allows no such size.
  unlinkSync(world.at(path));
  return undefined;
}
