import { linkSync, mkdirSync, renameSync, symlinkSync, unlinkSync, utimesSync } from 'node:fs';
import { basename } from 'node:path';
import { errorCode } from '../../../runtime/errors.ts';
import { halfLine, head, lines, longLine } from './content.ts';
import { CONTENT_OPERATIONS } from './content-operations.ts';
import type { FileOperationKind, Operation } from './plan.ts';
import { isThere, type RealFile, raw } from './tree.ts';
import { folderOf, type World } from './world.ts';

/** Does it, and says what it did; undefined if there was nothing to do it to. */
type Apply = (world: World, operation: Operation) => string | undefined;

const BASES = ['app', 'db', 'web', 'x'];
const ROTATED_MAX = 5;
/** mtimes: 1970, before it, 2038 and after, and the last year that ext4 can store. */
const MTIMES = [0, -86_400, 2 ** 31 - 1, 2 ** 31 + 5, 15_000_000_000];

/** Applies an operation. One whose folder no longer exists does nothing. */
export function applyToFiles(world: World, kind: FileOperationKind, operation: Operation): string | undefined {
  try {
    return OPERATIONS[kind](world, operation);
  } catch (error) {
    // EXDEV: a folder of an overlay's lower layer can't be renamed.
    if (!['ENOENT', 'EEXIST', 'EXDEV', 'ELOOP'].includes(errorCode(error) ?? '')) throw error;
    return `${kind}: ${errorCode(error)}`;
  } finally {
    world.refresh();
  }
}

function pick<T>(items: readonly T[], index: number): T | undefined {
  return items.length === 0 ? undefined : items[index % items.length];
}

const OPERATIONS: Record<FileOperationKind, Apply> = {
  ...CONTENT_OPERATIONS,
  create: (world, { target, choice, amount }) => {
    const folder = pick(world.layout.folders, target) as string;
    const path = `${folder}/${pick(BASES, target >> 3)}.log`;
    if (isThere(world.at(path))) return appendTo(world, fileAt(world, path), (life) => lines(life, amount));
    return createFile(world, path, choice, amount);
  },
  append: (world, { target, amount }) => appendTo(world, world.choose(target), (life) => lines(life, amount)),
  'half-line': (world, { target }) => appendTo(world, world.choose(target), halfLine),
  'crlf-lines': (world, { target, amount }) =>
    appendTo(world, world.choose(target), (life) => lines(life, amount, '\r\n')),
  'long-line': (world, { target }) => appendTo(world, world.choose(target), longLine),
  rotate: (world, { target, choice, amount }) => {
    const file = baseAt(world, target);
    if (!file) return undefined;
    for (let number = ROTATED_MAX; number > 0; number--) {
      const older = `${file.path}.${number}`;
      if (!isThere(world.at(older))) continue;
      if (number === ROTATED_MAX) unlinkSync(raw(world.at(older)));
      else move(world, older, `${file.path}.${number + 1}`);
    }
    return renameAndRecreate(world, file, `${file.path}.1`, choice, amount);
  },
  'rename-date': (world, { target, choice, amount }) => {
    const file = baseAt(world, target);
    if (!file) return undefined;
    return renameAndRecreate(world, file, freePath(world, `${file.path}-20261130`), choice, amount);
  },
  'move-out': (world, { target, choice, amount }) => {
    const file = world.choose(target);
    if (!file) return undefined;
    return renameAndRecreate(world, file, freePath(world, `out/${basename(file.path)}`), choice, amount);
  },
  'move-in': (world, { target, choice }) => {
    const file = pick(
      world.textFiles.filter(({ path }) => path.startsWith('out/')),
      target,
    );
    if (!file) return undefined;
    const folder = pick(world.layout.folders, choice) as string;
    return move(world, file.path, freePath(world, `${folder}/${basename(file.path)}`));
  },
  'rename-within': (world, { target, choice }) => {
    const file = world.choose(target);
    if (!file) return undefined;
    const folder = pick(world.layout.folders, choice) as string;
    return move(world, file.path, freePath(world, `${folder}/${pick(BASES, choice >> 2)}.log`));
  },
  'hard-link': (world, { target, choice }) => {
    const file = world.choose(target);
    if (!file) return undefined;
    const folder = pick([...world.layout.folders, 'out'], choice) as string;
    const path = freePath(world, `${folder}/linked-${basename(file.path)}`);
    linkSync(raw(world.at(file.path)), raw(world.at(path)));
    return `ln ${file.path} ${path}`;
  },
  link: (world, { target, choice }) => {
    const file = world.choose(target);
    if (!file) return undefined;
    const folder = pick(['links', ...world.layout.folders], choice) as string;
    return linkTo(world, file.path, freePath(world, `${folder}/to-${basename(file.path)}`));
  },
  'retarget-link': (world, { target, choice }) => {
    const link = pick(world.tree.links, target);
    if (link === undefined) return undefined;
    const isFolderLink = world.layout.links.some(([path]) => path === link);
    const to = isFolderLink ? pick(world.layout.folders, choice) : pick(world.textFiles, choice)?.path;
    if (to === undefined || !isThere(world.at(to))) return undefined;
    symlinkSync(raw(world.at(to)), raw(world.at('next-link')));
    renameSync(raw(world.at('next-link')), raw(world.at(link)));
    return `ln -sfn ${to} ${link}`;
  },
  'unlink-link': (world, { target }) => {
    const link = pick(world.tree.links, target);
    if (link === undefined) return undefined;
    unlinkSync(raw(world.at(link)));
    return `rm ${link}`;
  },
  'link-folder': (world, { target, choice }) => {
    const to = pick(world.tree.folders, target);
    const folder = pick(world.layout.folders, choice) as string;
    if (to === undefined || !isThere(world.at(folder))) return undefined;
    return linkTo(world, to, freePath(world, `${folder}/to-${basename(to)}`));
  },
  'rename-folder': (world, { target, choice, amount }) => {
    const folder = pick(world.layout.folders, target) as string;
    const done = move(world, folder, freePath(world, `${folder}-was`));
    if (done === undefined) return undefined;
    for (const each of world.layout.folders) mkdirSync(world.at(each), { recursive: true });
    const created = choice % 2 === 0 ? createFile(world, `${folder}/app.log`, choice >> 1, amount) : '';
    return `${done}; mkdir ${folder}; ${created}`;
  },
  touch: (world, { target, choice }) => {
    const file = world.choose(target);
    const seconds = pick(MTIMES, choice) as number;
    if (!file) return undefined;
    utimesSync(raw(world.at(file.path)), seconds, seconds);
    return `touch -d @${seconds} ${file.path}`;
  },
  'name-not-utf8': (world, { target, amount }) => {
    const folder = pick(world.layout.folders, target) as string;
    if (!isThere(world.at(folder))) return undefined;
    return createFile(world, freePath(world, `${folder}/caf\xe9.log`), 0, amount);
  },
  'folder-not-utf8': (world, { target, amount }) => {
    const top = (pick(world.layout.folders, target) as string).split('/')[0] as string;
    const folder = freePath(world, `${top}/d\xfc`);
    mkdirSync(raw(world.at(folder)));
    return `mkdir ${folder}; ${createFile(world, `${folder}/app.log`, 0, amount)}`;
  },
};

/** A file with a name that nothing was appended to, as those have that are rotated. */
function baseAt(world: World, target: number): RealFile | undefined {
  const isBase = ({ path }: RealFile) => path.endsWith('.log');
  const file = world.choose(target);
  return file && isBase(file) ? file : pick(world.textFiles.filter(isBase), target);
}

function fileAt(world: World, path: string): RealFile | undefined {
  return world.textFiles.find((file) => file.path === path);
}

function appendTo(
  world: World,
  file: RealFile | undefined,
  content: Parameters<World['append']>[1],
): string | undefined {
  if (!file) return undefined;
  const life = world.lifeAt(file.inode);
  const before = life?.size ?? 0;
  world.append(file, content);
  return `append ${(life?.size ?? 0) - before} bytes to ${file.path} (life ${life?.id})`;
}

function createFile(world: World, path: string, headChoice: number, count: number): string | undefined {
  if (!isThere(world.at(folderOf(path)))) return undefined;
  const life = world.write(path, (own) => Buffer.concat([head(headChoice), lines(own, count)]));
  if (world.layout.linksFiles && path.startsWith('pods/')) {
    const link = `links/${path.split('/')[1]}-${basename(path)}`;
    if (!isThere(world.at(link))) linkTo(world, path, link);
  }
  return `create ${path} with ${life.size} bytes (life ${life.id})`;
}

/** `choice`: whether the file is created again at once, empty, or not at all. */
function renameAndRecreate(
  world: World,
  { path }: RealFile,
  to: string,
  choice: number,
  amount: number,
): string | undefined {
  const done = move(world, path, to);
  switch (choice % 3) {
    case 0:
      return `${done}; ${createFile(world, path, choice >> 2, amount)}`;
    case 1:
      return `${done}; ${createFile(world, path, 0, 0)}`;
    default:
      return done;
  }
}

function move(world: World, from: string, to: string): string | undefined {
  if (!isThere(world.at(from)) || !isThere(world.at(folderOf(to)))) return undefined;
  renameSync(raw(world.at(from)), raw(world.at(to)));
  world.refresh();
  return `mv ${from} ${to}`;
}

function linkTo(world: World, target: string, path: string): string | undefined {
  if (!isThere(world.at(folderOf(path)))) return undefined;
  symlinkSync(raw(world.at(target)), raw(world.at(path)));
  return `ln -s ${target} ${path}`;
}

/** The path, or one with a number if something is there. */
function freePath(world: World, path: string): string {
  if (!isThere(world.at(path))) return path;
  for (let number = 2; ; number++) {
    const other = path.endsWith('.log') ? path.replace(/\.log$/, `-${number}.log`) : `${path}.${number}`;
    if (!isThere(world.at(other))) return other;
  }
}
