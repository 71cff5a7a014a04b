import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { entryToDocument } from '../../proto/rules/entry-document.ts';
import { runProcess } from '../support/process.ts';
import { recipesOfPage } from '../support/recipes.ts';
import { sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTopic, readTopic } from '../support/topics.ts';

for (const recipe of recipesOfPage()) {
  test(`the recipe "${recipe.title}" yields the records that docs/entries.md shows`, async () => {
    const kafka = await sharedKafka();
    const topic = await createTopic(kafka);
    await using dir = await tempDir('recipe');
    const path = dir.at('recipe.log');
    await writeFile(path, contentOf(recipe.entry, recipe.lines));
    const entry = { ...entryToDocument(recipe.entry), paths: [path], topic, start: 'beginning' };
    await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries: [entry] }));
    const own = ['--entries', dir.at('entries.yaml'), '--state', dir.at('state'), '--label', 'role=web', '--once'];
    const { code, stderr } = await runProcess('agent/main.ts', [...own, '--kafka', kafka.join(',')]);
    assert.equal(code, 0, stderr);
    const values = (await readTopic(kafka, topic)).map(({ value }) => value.toString());
    assert.deepEqual(values, recipe.records);
  });
}

function contentOf({ encoding, terminator }: Entry, lines: readonly string[]): Buffer {
  const text = lines.map((line) => line + (terminator === 'crlf' ? '\r\n' : '\n')).join('');
  return encoding === 'gbk' ? gbk(text) : Buffer.from(text);
}

/** Node decodes GBK but can't encode it, so every pair of bytes is tried. */
function gbk(text: string): Buffer {
  const decoder = new TextDecoder('gbk');
  const bytes = new Map<string, number[]>();
  for (let code = 0; code < 0x80; code++) bytes.set(String.fromCharCode(code), [code]);
  for (let lead = 0x81; lead <= 0xfe; lead++)
    for (let trail = 0x40; trail <= 0xfe; trail++) {
      const character = decoder.decode(Uint8Array.of(lead, trail));
      if (!bytes.has(character)) bytes.set(character, [lead, trail]);
    }
  return Buffer.from([...text].flatMap((character) => bytes.get(character) ?? []));
}
