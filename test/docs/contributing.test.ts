import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPage } from '../support/markdown.ts';
import { LAYERS, MAY_IMPORT } from '../support/tidy/layers.ts';

const rows = readPage('CONTRIBUTING.md')
  .lines.filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').map((cell) => cell.trim()));

test("CONTRIBUTING's import table is the one that the check holds", () => {
  for (const [folder, allowed] of Object.entries(MAY_IMPORT)) {
    const row = rows.find((cells) => cells[1] === `\`${folder}/\`` && cells.length === 5);
    assert.ok(row, `no row for ${folder}`);
    assert.equal(row[3], allowed.length === 0 ? 'nothing of ours' : allowed.join(', '), folder);
  }
});

test("CONTRIBUTING's layers are those that the check holds", () => {
  for (const [folder, layers] of Object.entries(LAYERS)) {
    const row = rows.find((cells) => cells[1] === `\`${folder}/\`` && cells.length === 4);
    assert.equal(row?.[2], layers.map((modules) => modules.join(', ')).join(' · '), folder);
  }
});
