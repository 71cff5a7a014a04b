import assert from 'node:assert/strict';
import { test } from 'node:test';
import { barPlot, linePlot, tidy } from '../../../bench/report/plot.ts';

const axis = { label: 'files & "more" <than>', tick: tidy };

/** Throws unless every element is closed in order and no bare & or < is left. */
function assertWellFormed(svg: string): void {
  const open: string[] = [];
  const rest = svg.replace(
    /<(\/?)([a-z]+)((?:\s+[\w-]+(?::\w+)?="[^"<]*")*)\s*(\/?)>/g,
    (_, end, name, _attributes, empty) => {
      if (end === '/') assert.equal(open.pop(), name);
      else if (empty === '') open.push(name);
      return '';
    },
  );
  assert.deepEqual(open, []);
  assert.doesNotMatch(rest, /[<>]|&(?!amp;|lt;|gt;)/);
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
}

test('bars are well-formed SVG on white, each as long as its value says', () => {
  const svg = barPlot('a < b & c', 'MiB/s', [
    { label: 'logfleet', value: 200 },
    { label: 'peer', value: 50 },
  ]);
  assertWellFormed(svg);
  assert.match(svg, /fill="#ffffff"/);
  const widths = [...svg.matchAll(/<rect x="210" .*? width="([\d.]+)"/g)].map((match) => Number(match[1]));
  assert.deepEqual(widths, [420, 105]);
  assert.match(svg, />200 MiB\/s</);
});

test('no bars, and bars of nothing, are well-formed too', () => {
  assertWellFormed(barPlot('none', 's', []));
  assertWellFormed(barPlot('nothing', 's', [{ label: 'a', value: 0 }]));
});

test('lines are well-formed SVG, with axes that name what they measure and a line for linear growth that is straight', () => {
  const points = [1, 10, 100].map((x) => ({ x, y: x * 3 }));
  const svg = linePlot('growth', axis, { label: 'seconds', tick: tidy }, [{ label: 'linear', points }]);
  assertWellFormed(svg);
  assert.match(svg, />seconds</);
  const [, path = ''] = /<path d="M([^"HV]+)" fill="none"/.exec(svg) ?? [];
  const [[x0, y0], [x1, y1], [x2, y2]] = path.split('L').map((pair) => pair.split(' ').map(Number)) as [
    number[],
    number[],
    number[],
  ] as [[number, number], [number, number], [number, number]];
  assert.ok(Math.abs((x0 + x2) / 2 - x1) <= 0.2 && Math.abs((y0 + y2) / 2 - y1) <= 0.2);
});

test('a single point is drawn', () => {
  assertWellFormed(linePlot('one', axis, axis, [{ label: 'one', points: [{ x: 64, y: 0.86 }] }]));
});
