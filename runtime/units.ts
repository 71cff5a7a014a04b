/**
 * Durations, byte sizes and byte rates as users write and read them: `30s`, `64MiB`, `5MiB/s`.
 * Every flag, setting and table uses these units. proto/ needs none of them: the fields of messages
 * are numbers whose unit is in their name, such as `wait_ms`.
 */

const DURATION_UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE_UNITS_BYTES = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40, PiB: 2 ** 50 } as const;

export type DurationUnit = keyof typeof DURATION_UNITS_MS;

/**
 * `250ms`, `1.5h`, `7d` → milliseconds, possibly with a fraction. A number without a unit is in
 * `bareUnit`, or invalid without one. Returns undefined for invalid text.
 */
export function parseDuration(text: string, bareUnit?: DurationUnit): number | undefined {
  return parseAmount(text, DURATION_UNITS_MS, bareUnit);
}

/**
 * `512KiB`, `1.5GiB`, `100B` → bytes, rounded down. A number without a unit is in bytes if
 * `bareUnit` is `B`, else invalid. Returns undefined for invalid text.
 */
export function parseByteSize(text: string, bareUnit?: 'B'): number | undefined {
  const bytes = parseAmount(text, SIZE_UNITS_BYTES, bareUnit);
  return bytes === undefined ? undefined : Math.floor(bytes);
}

/**
 * `5MiB`, `5MiB/s`, `100000` → bytes per second; `none` → 0, no limit. Returns undefined for
 * invalid text.
 */
export function parseByteRate(text: string): bigint | undefined {
  if (text === 'none') return 0n;
  const bytes = parseByteSize(text.replace(/\/s$/, ''), 'B');
  return bytes === undefined || bytes > Number.MAX_SAFE_INTEGER ? undefined : BigInt(bytes);
}

/** `12.3 MiB`; below 1 KiB without a fraction. */
export function formatByteSize(bytes: number | bigint): string {
  const value = Number(bytes);
  const units = Object.entries(SIZE_UNITS_BYTES).reverse();
  const [unit, unitBytes] = units.find(([, size]) => value >= size) ?? ['B', 1];
  return `${unitBytes === 1 ? Math.round(value) : (value / unitBytes).toFixed(1)} ${unit}`;
}

/** `12.3 MiB/s` */
export function formatByteRate(bytesPerSecond: number | bigint): string {
  return `${formatByteSize(bytesPerSecond)}/s`;
}

/**
 * The largest whole unit, as kubectl shows ages: `5s`, `3m`, `2h`, `4d`. A negative duration is
 * `0s`.
 */
export function formatDuration(exactSeconds: number): string {
  const ms = Math.max(0, Math.floor(exactSeconds)) * 1_000;
  const units = Object.entries(DURATION_UNITS_MS).slice(1).reverse();
  const [unit, unitMs] = units.find(([, length]) => ms >= length) ?? ['s', 1_000];
  return `${Math.floor(ms / unitMs)}${unit}`;
}

/** Digits with an optional fraction, an optional blank, and a unit. */
function parseAmount(text: string, units: Readonly<Record<string, number>>, bareUnit = ''): number | undefined {
  const [, digits, unit] = /^(\d+(?:\.\d+)?) ?([a-zA-Z]*)$/.exec(text) ?? [];
  const factor = Object.hasOwn(units, unit || bareUnit) ? units[unit || bareUnit] : undefined;
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}
