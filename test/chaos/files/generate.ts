import { type Random, seeded, subSeed } from '../../support/random.ts';
import {
  FILE_OPERATIONS,
  type FileOperationKind,
  LAYOUTS,
  type LayoutName,
  type Operation,
  type OperationKind,
  type Plan,
  type PlanSettings,
} from './plan.ts';

/** How often each operation is drawn. What is left out is drawn once. */
const WEIGHTS: Partial<Record<FileOperationKind, number>> = {
  create: 6,
  append: 12,
  'half-line': 2,
  rotate: 6,
  'rename-date': 2,
  copytruncate: 5,
  truncate: 2,
  rewrite: 3,
  'rewrite-same-head': 4,
  overwrite: 2,
  delete: 2,
  'recreate-same-inode': 4,
  'move-out': 2,
  'truncate-hole': 2,
  preallocate: 1,
  'preallocate-write': 3,
  hold: 2,
};
/** What a layout is about is drawn more often. */
const LAYOUT_WEIGHTS: Partial<Record<LayoutName, Partial<Record<FileOperationKind, number>>>> = {
  links: { rotate: 14, 'retarget-link': 3, 'rename-folder': 2 },
  mixed: { rotate: 10, link: 3, 'hard-link': 3 },
  latest: { 'retarget-link': 10, 'rename-folder': 3 },
  folders: { 'rename-folder': 6 },
};
/** Rare ones: they hide what else is wrong. */
const RARE: readonly FileOperationKind[] = [
  'sparse-huge',
  'name-not-utf8',
  'folder-not-utf8',
  'link-folder',
  'long-line',
];
const RARE_SHARE = 0.03;
const SETUP_FILES_MAX = 6;
const AMOUNT_MAX = 60;
const BURST_AMOUNT = 400;

/**
 * The plan of a seed. The same arguments make the same plan. `isFleet`: a controller changes the
 * entry.
 */
export function generatePlan(seed: number, minutes: number, isFleet = false): Plan {
  const settings = { ...settingsOf(seeded(subSeed(seed, 'settings'))), ...(isFleet && { isFleet }) };
  const draw = new Draw(seeded(subSeed(seed, 'operations')), settings);
  const operations = draw.setup();
  while (operations.reduce((sum, { pauseMs }) => sum + pauseMs, 0) < minutes * 60_000)
    operations.push(...draw.scenario());
  return { seed, settings, operations };
}

function settingsOf(random: Random): PlanSettings {
  const layout = random.pick(Object.keys(LAYOUTS) as LayoutName[]);
  const scanIntervalMs = random.pick([1_000, 1_000, 1_000, 2_000, 5_000, 30_000]);
  const descriptors = random.pick([undefined, undefined, 128, 96, 64, 40]);
  const fileSystem = random.pick(['disk', 'disk', 'tmpfs', 'overlay'] as const);
  const start = random.pick(['beginning', 'beginning', 'end'] as const);
  return { layout, scanIntervalMs, descriptors, fileSystem, start, restartsAtEnd: random.next() < 0.5 };
}

const SCENARIOS = ['calm', 'calm', 'calm', 'down', 'down', 'down', 'kill', 'broker', 'rotations', 'burst'] as const;
const FLEET_SCENARIOS = [...SCENARIOS, 'entry', 'entry', 'entry-down', 'pause', 'pause'] as const;

/** Draws operations that belong together. */
class Draw {
  readonly #random: Random;
  readonly #common: readonly FileOperationKind[];
  readonly #scenarios: readonly (typeof FLEET_SCENARIOS)[number][];

  constructor(random: Random, { layout, isFleet }: PlanSettings) {
    this.#random = random;
    this.#scenarios = isFleet ? FLEET_SCENARIOS : SCENARIOS;
    const weights = { ...WEIGHTS, ...LAYOUT_WEIGHTS[layout] };
    this.#common = FILE_OPERATIONS.filter((kind) => !RARE.includes(kind)).flatMap((kind) =>
      Array.from({ length: weights[kind] ?? 1 }, () => kind),
    );
  }

  /** Files that are there before the agent starts. */
  setup(): Operation[] {
    const files = Array.from({ length: this.#random.between(1, SETUP_FILES_MAX) }, () => this.#one('create', 0, 0));
    return [...files, this.#one('start', 0, 0)];
  }

  scenario(): Operation[] {
    switch (this.#random.pick(this.#scenarios)) {
      case 'calm':
        return this.#some(1, 4, 3_000);
      case 'down':
        return this.#down();
      case 'kill':
        return [
          ...this.#some(1, 1, 1_500),
          this.#one('kill', 0, 0),
          ...this.#some(1, 1, 0),
          this.#one('start', 0, 500),
        ];
      case 'broker':
        return [{ ...this.#one('broker', 0, 500), amount: this.#random.between(5, 60) }, ...this.#some(1, 5, 1_500)];
      case 'rotations':
        return this.#rotations();
      case 'burst':
        return [{ ...this.#one('append', 0, 500), amount: BURST_AMOUNT }, ...this.#some(1, 1, 300)];
      case 'entry':
        return [this.#entryChange(2_000), ...this.#some(1, 3, 2_000), this.#entryChange(3_000)];
      case 'entry-down':
        return [
          this.#one(this.#random.pick(['stop', 'kill'] as const), 0, 1_500),
          ...this.#some(0, 2, 100),
          this.#entryChange(500),
          ...this.#some(0, 2, 100),
          this.#one('start', 0, 1_000),
        ];
      case 'pause':
        return [
          this.#one('entry-pause', 0, 1_500),
          ...this.#some(1, 4, 1_500),
          this.#one('entry-resume', 0, 2_000),
          ...this.#some(0, 1, 300),
        ];
    }
  }

  /** Lines, then the agent ends, files change while it is down, and it starts again. */
  #down(): Operation[] {
    const target = this.#random.between(0, 1_000);
    const amount = this.#random.next() < 0.4 ? BURST_AMOUNT : this.#random.between(0, AMOUNT_MAX);
    const [first, ...others] = this.#some(1, 4, 100);
    return [
      { ...this.#one('append', 0, 2_000), target, amount },
      this.#one(this.#random.pick(['stop', 'kill'] as const), 100, 1_500),
      { ...(first as Operation), target },
      ...others,
      this.#one('start', 0, 1_000),
    ];
  }

  /** One file, rotated in quick succession, as a small `maxsize` makes it. */
  #rotations(): Operation[] {
    const target = this.#random.between(0, 1_000);
    const kind = this.#random.pick(['rotate', 'rename-date', 'copytruncate'] as const);
    const pairs = Array.from({ length: this.#random.between(2, 4) }, () => [
      { ...this.#one('append', 0, 600), target },
      { ...this.#one(kind, 0, 1_500), target },
    ]);
    return pairs.flat();
  }

  #entryChange(pauseMaxMs: number): Operation {
    return this.#one(this.#random.pick(['entry-globs', 'entry-globs', 'entry-exclude'] as const), 0, pauseMaxMs);
  }

  /** From `least` to `most` operations on files. */
  #some(least: number, most: number, pauseMaxMs: number): Operation[] {
    return Array.from({ length: this.#random.between(least, most) }, () => {
      const kinds = this.#random.next() < RARE_SHARE ? RARE : this.#common;
      return this.#one(this.#random.pick(kinds), 0, pauseMaxMs);
    });
  }

  #one(kind: OperationKind, pauseMinMs: number, pauseMaxMs: number): Operation {
    const { between } = this.#random;
    const [target, choice] = [between(0, 1_000), between(0, 1_000)];
    return { pauseMs: between(pauseMinMs, pauseMaxMs), kind, target, choice, amount: between(0, AMOUNT_MAX) };
  }
}
