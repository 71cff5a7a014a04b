import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOptions } from '../../bench/command-line.ts';

test('without a workload all are meant, else the named ones', () => {
  const all = readOptions([]).workloads.map(({ name }) => name);
  for (const name of ['backlog', 'files', 'delay', 'idle', 'outage', 'scaling']) assert.ok(all.includes(name), name);
  assert.deepEqual(
    readOptions(['idle', 'backlog', '--tools', 'logfleet,kcat', '--rounds', '7']).workloads.map(({ name }) => name),
    ['backlog', 'idle'],
  );
});

test('what is unknown is named, with what there is', () => {
  assert.throws(() => readOptions(['backlogs']), /workload: unknown: backlogs; there are backlog, /);
  assert.throws(() => readOptions(['--tools', 'logfleet,vector']), /--tools: unknown: vector; there are logfleet, /);
  assert.throws(() => readOptions(['quick', 'backlog']), /unknown: quick/);
  assert.throws(() => readOptions(['--rounds', '0']), /--rounds: 0 is no whole number above 0/);
});

test('Filebeat is where the flag says, else where the variable does', () => {
  assert.equal(readOptions([], { FILEBEAT: '/opt/fb' }).filebeat, '/opt/fb');
  assert.equal(readOptions(['--filebeat', '/x'], { FILEBEAT: '/opt/fb' }).filebeat, '/x');
});
