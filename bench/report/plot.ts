import type { Point } from '../measure/statistics.ts';

const WIDTH = 760;
const FONT = 'font-family="Helvetica, Arial, sans-serif" font-size="13"';
const INK = '#222222';
const GRID = '#dddddd';
const GUIDE = '#777777';
/** Distinguishable with colour blindness, too (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];

export interface Bar {
  label: string;
  value: number;
  /** Replaces the value, for example by the reason why there is none. */
  note?: string;
}

/**
 * Horizontal bars as an SVG. Its background is white, so that it is readable on dark pages, too.
 */
export function barPlot(title: string, unit: string, bars: readonly Bar[]): string {
  const [left, rowHeight, top] = [210, 30, 50];
  const most = Math.max(...bars.map(({ value }) => value), 1e-9);
  const scale = (WIDTH - left - 130) / most;
  const rows = bars.map(({ label, value, note }, index) => {
    const y = top + index * rowHeight;
    const width = Math.max(value * scale, 1).toFixed(1);
    const words = note ?? `${tidy(value)} ${unit}`;
    return `${text(left - 8, y + 16, label, 'end')}
<rect x="${left}" y="${y}" width="${width}" height="22" fill="${colour(label.startsWith('logfleet') ? 0 : 1)}"/>
${text(left + Number(width) + 6, y + 16, words)}`;
  });
  return svg(top + bars.length * rowHeight + 16, [heading(title), ...rows]);
}

export interface Axis {
  label: string;
  /** The text at a tick. */
  tick(value: number): string;
}

export interface Line {
  label: string;
  points: readonly Point[];
  /** Drawn thin, grey and without dots: a reference for the other lines. */
  guide?: boolean;
}

const PLOT = { left: 80, right: 40, top: 50, height: 320 };
const BELOW = 60;

/**
 * Lines over two logarithmic axes. Growth by a power is a straight line whose slope is the
 * exponent.
 */
export function linePlot(title: string, x: Axis, y: Axis, lines: readonly Line[]): string {
  const points = lines.flatMap((line) => line.points);
  const across = logScale(
    points.map((point) => point.x),
    PLOT.left,
    WIDTH - PLOT.right,
  );
  const up = logScale(
    points.map((point) => point.y),
    PLOT.top + PLOT.height,
    PLOT.top,
  );
  const bottom = PLOT.top + PLOT.height;
  const grid = [
    ...up.ticks.map((value) => {
      const at = up.at(value);
      return `<path d="M${PLOT.left} ${at}H${WIDTH - PLOT.right}" stroke="${GRID}"/>${text(PLOT.left - 8, at + 4, y.tick(value), 'end')}`;
    }),
    ...across.ticks.map((value) => {
      const at = across.at(value);
      return `<path d="M${at} ${PLOT.top}V${bottom}" stroke="${GRID}"/>${text(at, bottom + 20, x.tick(value), 'middle')}`;
    }),
  ];
  const drawn = lines.map((line, index) => {
    const path = line.points.map((point) => `${across.at(point.x)} ${up.at(point.y)}`).join('L');
    const ink = line.guide ? GUIDE : colour(index);
    const dots = line.guide
      ? []
      : line.points.map((point) => `<circle cx="${across.at(point.x)}" cy="${up.at(point.y)}" r="4" fill="${ink}"/>`);
    const key = PLOT.top + 20 + index * 20;
    return `<path d="M${path}" fill="none" stroke="${ink}" stroke-width="${line.guide ? 1 : 2}"/>${dots.join('')}
<rect x="${PLOT.left + 14}" y="${key - 10}" width="12" height="12" fill="${ink}"/>${text(PLOT.left + 32, key, line.label)}`;
  });
  const names = [
    text((PLOT.left + WIDTH - PLOT.right) / 2, bottom + 44, x.label, 'middle'),
    `<g transform="translate(20 ${PLOT.top + PLOT.height / 2}) rotate(-90)">${text(0, 0, y.label, 'middle')}</g>`,
  ];
  return svg(bottom + BELOW, [heading(title), ...grid, ...drawn, ...names]);
}

/** A scale with ticks at 1, 2 and 5 times the powers of ten, around the values. */
function logScale(values: readonly number[], from: number, to: number) {
  const steps = Array.from({ length: 37 }, (_, index) => [1, 2, 5].map((digit) => digit * 10 ** (index - 12))).flat();
  const least = steps.findLast((step) => step <= Math.min(...values)) ?? Math.min(...values);
  const most = steps.find((step) => step >= Math.max(...values) && step > least) ?? Math.max(...values);
  const at = (value: number) =>
    Number((from + ((to - from) * Math.log(value / least)) / Math.log(most / least)).toFixed(1));
  return { at, ticks: steps.filter((step) => step >= least && step <= most) };
}

/** The value with three digits. */
export function tidy(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(value >= 10 ? 1 : 2);
}

function svg(height: number, parts: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ${FONT}>
<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
${parts.join('\n')}
</svg>
`;
}

function heading(title: string): string {
  return `<text x="16" y="28" font-size="16" font-weight="bold" fill="${INK}">${escaped(title)}</text>`;
}

function text(x: number, y: number, words: string, anchor = 'start'): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${INK}">${escaped(words)}</text>`;
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length] as string;
}

function escaped(words: string): string {
  return words.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
