import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { putSection, wrapProse } from '../../../bench/report/results-file.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('a section takes the place of the one with its title, and leaves the others as they are', async () => {
  await using folder = await tempDir('results');
  for (const title of ['chaos', 'chaos, beside rsyslog', 'backlog'])
    await putSection(title, `old ${title}`, folder.path);
  await putSection('chaos', 'new chaos', folder.path);
  const text = await readFile(folder.at('RESULTS.md'), 'utf8');
  assert.match(text, /^# Results\n/);
  assert.deepEqual(
    text.split('\n').filter((line) => /^(## |old|new)/.test(line)),
    [
      ...[
        '## chaos',
        'new chaos',
        '## chaos, beside rsyslog',
        'old chaos, beside rsyslog',
        '## backlog',
        'old backlog',
      ],
    ],
  );
});

test('prose is wrapped at 100 columns; tables, images and code spans are not', () => {
  const words = 'word '.repeat(30).trim();
  const table = `| ${words} |`;
  const text = wrapProse(`${words} \`a code span\`\n\n${table}\n\n- ${words}\n- short`);
  const lines = text.split('\n');
  assert.ok(lines.includes(table));
  assert.ok(lines.every((line) => line.length <= 100 || line === table));
  assert.match(text, /`a code span`/);
  assert.match(text, /^- word [\s\S]*^ {2}word [\s\S]*^- short$/m);
});
