import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CliError } from '../../../cli/output/cli-error.ts';
import { createProgram } from '../../../cli/program.ts';
import { loadReference, type MessageReference } from '../../../proto/reference/reference.ts';

async function logfleet(...args: string[]): Promise<string> {
  let written = '';
  const program = createProgram((text) => {
    written += text;
  });
  await program.parseAsync(args, { from: 'user' });
  return written;
}

async function problemOf(path: string): Promise<string> {
  try {
    await logfleet('explain', path);
  } catch (error) {
    assert.ok(error instanceof CliError);
    assert.equal(error.exitCode, 2);
    return error.message;
  }
  throw new Error(`${path} was explained`);
}

test('explain entry lists every field with its type', async () => {
  const text = await logfleet('explain', 'entry');
  const entry = loadReference().get('logfleet.v1.Entry') as MessageReference;
  for (const { name, type } of entry.fields) assert.ok(text.includes(`\n  ${name} <${type}>`), name);
  assert.match(text, /^KIND: {3}entry\n/);
  assert.match(text, /\n {2}paths <\[\]string> required\n {6}Globs of the files to collect\.\n/);
  assert.ok(text.split('\n').every((line) => line.length <= 80));
});

test('a field is explained with its default, its bounds and an example', async () => {
  const text = await logfleet('explain', 'entry.multiline.timeout_ms');
  assert.match(
    text,
    /^KIND: {3}entry\nFIELD: {2}multiline\.timeout_ms <integer>\n\nDESCRIPTION:\n {2}How long to wait/,
  );
  assert.match(text, /\nDefault: 1000\.\nBounds: 10 to 600,000 milliseconds\.\n\nEXAMPLE:\n {2}multiline: \{/);
  assert.match(
    await logfleet('explain', 'agents.liveness'),
    /\nVALUES:\n {2}LIVENESS_LIVE\n {6}The agent is connected/,
  );
  assert.match(await logfleet('explain', 'settings.update_time'), /\nOutput only: the server sets it\.\n/);
});

test('every kind is explained, and --recursive lists the fields of objects below it', async () => {
  for (const kind of ['entry', 'agent', 'loss', 'alert', 'rollout', 'settings'])
    assert.match(await logfleet('explain', kind), /\nFIELDS:\n/);
  const tree = await logfleet('explain', 'rollout.rollout.plan', '-r');
  assert.match(tree, /^rollout\.rollout\.plan\n {2}steps <\[\]object>\n {4}canary <string>\n/);
});

test('an unknown path is rejected with the nearest name and the possible ones', async () => {
  assert.equal(
    await problemOf('entry.filter.jsonfield'),
    'entry.filter has no field "jsonfield": did you mean "json_field"? The fields are include, exclude, json_field',
  );
  assert.match(await problemOf('entri'), /^"entri" is not a kind: did you mean "entry"\? The kinds are entry, agent, /);
  assert.match(await problemOf('entry.zzzzzz'), /^entry has no field "zzzzzz": the fields are name, uid, /);
  assert.equal(await problemOf('entry.topic.x'), 'entry.topic has no fields: its type is string');
});

test('Tab completes kinds and fields, and an object with a dot as well', async () => {
  const completions = async (path: string) =>
    (await logfleet('__complete', '--', 'explain', path)).split('\n').map((line) => line.split('\t')[0]);
  assert.deepEqual(await completions('en'), ['entry', 'entry.', '']);
  assert.deepEqual(await completions('entry.mu'), ['entry.multiline', 'entry.multiline.', '']);
  assert.deepEqual(await completions('entry.filter.'), [
    'entry.filter.include',
    'entry.filter.exclude',
    'entry.filter.json_field',
    '',
  ]);
  assert.deepEqual(await completions('entry.nope.'), ['']);
});
