import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fields, Table } from '../../../cli/output/table.ts';

test('control characters in a value do not reach the terminal, and each cell is one line', () => {
  const table = new Table<string>([{ title: 'PATH', value: (path) => path }]);
  assert.equal(table.render(['/a\x1b]0;x\x07\n\tb.log', '/\u009b2J']), 'PATH\n/a\uFFFD]0;x\uFFFD  b.log\n/\uFFFD2J\n');
  assert.equal(table.row('\x1b[2J'), '\uFFFD[2J\n');
  assert.equal(fields([['Paths', '/\x1b[2J\n  /b']]), 'Paths:  /\uFFFD[2J\n  /b\n');
});
