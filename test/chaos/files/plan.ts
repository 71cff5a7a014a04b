import type { ProxyMode } from '../../support/tcp-proxy.ts';

/**
 * A run of the file-system fuzzer, as JSON. Operations choose their target by an index modulo what
 * exists, so each sub-list of a plan's operations is a valid plan. Shrinking depends on that.
 */
export interface Plan {
  seed: number;
  settings: PlanSettings;
  operations: readonly Operation[];
}

export interface PlanSettings {
  scanIntervalMs: number;
  /** The agent's limit of open files; undefined: the system's. */
  descriptors?: number | undefined;
  start: 'beginning' | 'end';
  fileSystem: FileSystem;
  layout: LayoutName;
  /** Whether the agent is restarted before the files are compared with the topic. */
  restartsAtEnd: boolean;
  /** Whether a controller sends the entry, and changes it. */
  isFleet?: boolean;
}

export type FileSystem = 'disk' | 'tmpfs' | 'overlay';

export interface Operation {
  /** How long to wait before it. */
  pauseMs: number;
  kind: OperationKind;
  /** Chooses a file, folder or link: an index modulo their number. */
  target: number;
  /** Chooses a variant of the operation, modulo their number. */
  choice: number;
  /** How many lines, or how many bytes. */
  amount: number;
}

export const FILE_OPERATIONS = [
  'create',
  'append',
  'half-line',
  'crlf-lines',
  'long-line',
  'rotate',
  'rename-date',
  'move-out',
  'move-in',
  'rename-within',
  'hard-link',
  'link',
  'retarget-link',
  'unlink-link',
  'link-folder',
  'rename-folder',
  'copytruncate',
  'truncate',
  'rewrite',
  'rewrite-same-head',
  'overwrite',
  'truncate-hole',
  'preallocate',
  'preallocate-write',
  'preallocate-cut',
  'delete',
  'recreate-same-inode',
  'compress',
  'replace-by-editor',
  'touch',
  'sparse-huge',
  'name-not-utf8',
  'folder-not-utf8',
  'hold',
  'release',
] as const;

/** `await`: until all that the globs match has arrived, for a while at most. */
const SYSTEM_OPERATIONS = ['start', 'stop', 'kill', 'broker', 'await'] as const;

/** What a controller changes. Without one they do nothing. */
export const ENTRY_OPERATIONS = ['entry-globs', 'entry-exclude', 'entry-pause', 'entry-resume'] as const;

export type FileOperationKind = (typeof FILE_OPERATIONS)[number];
export type EntryOperationKind = (typeof ENTRY_OPERATIONS)[number];
export type OperationKind = FileOperationKind | EntryOperationKind | (typeof SYSTEM_OPERATIONS)[number];

/** What happens on the way to the broker, by an operation's `choice`. */
export const BROKER_MODES: readonly ProxyMode[] = ['pass', 'cut', 'hole', 'drop-replies'];

export interface Layout {
  /** Relative to the root of the run. */
  globs: readonly string[];
  /** Where files are created. All of them exist from the beginning. */
  folders: readonly string[];
  /** Links that exist from the beginning: path and target, both relative to the root. */
  links: readonly (readonly [path: string, target: string])[];
  /** Whether each new file gets a link in `links`. */
  linksFiles: boolean;
}

/** Which files the entry collects. `out` and `links` exist in each layout. */
export const LAYOUTS = {
  direct: { globs: ['in/*.log*'], folders: ['in'], links: [], linksFiles: false },
  narrow: { globs: ['in/*.log'], folders: ['in'], links: [], linksFiles: false },
  deep: { globs: ['in/**/*.log*'], folders: ['in', 'in/sub', 'in/sub/deep'], links: [], linksFiles: false },
  folders: { globs: ['in/*/*.log'], folders: ['in/a', 'in/b'], links: [], linksFiles: false },
  links: { globs: ['links/*.log'], folders: ['pods/a', 'pods/b'], links: [], linksFiles: true },
  latest: {
    globs: ['in/latest/*.log'],
    folders: ['in/29-Nov', 'in/30-Nov'],
    links: [['in/latest', 'in/29-Nov']],
    linksFiles: false,
  },
  mixed: { globs: ['in/*.log*', 'links/*.log'], folders: ['in', 'pods/a'], links: [], linksFiles: true },
} as const satisfies Record<string, Layout>;

/** Which files an entry collects. `globs` are relative to the root. */
export interface Selection {
  globs: readonly string[];
  exclude: readonly string[];
}

const EXCLUDES: readonly (readonly string[])[] = [[], ['**/*app*'], ['**/*.log.[12]']];

/** What an entry operation changes. `choice`: the layout's own globs, fewer, others or more. */
export function selectionOf(
  { globs }: Layout,
  kind: 'entry-globs' | 'entry-exclude',
  choice: number,
): Partial<Selection> {
  if (kind === 'entry-exclude') return { exclude: EXCLUDES[choice % EXCLUDES.length] as readonly string[] };
  // Of the names app, db, web and x, these match app and web; db, web and x.
  const named = (part: string) => globs.map((glob) => glob.replace(/\/\*\.log/, `/${part}.log`));
  return { globs: [globs, named('*[ae]*'), named('*[bx]*'), [...globs, 'out/*.log*']][choice % 4] as string[] };
}

export type LayoutName = keyof typeof LAYOUTS;

export function operationText({ pauseMs, kind, target, choice, amount }: Operation): string {
  return `${(pauseMs / 1000).toFixed(3).padStart(7)} s  ${kind} target ${target} choice ${choice} amount ${amount}`;
}
