import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOptions } from '../../bench/command-line.ts';

test('without names all workloads run, otherwise the named ones', () => {
  const all = readOptions([]).workloads.map(({ name }) => name);
  for (const name of ['backlog', 'files', 'delay', 'idle', 'outage', 'scaling']) assert.ok(all.includes(name), name);
  assert.deepEqual(
    readOptions(['idle', 'backlog', '--tools', 'logfleet,kcat', '--rounds', '7']).workloads.map(({ name }) => name),
    ['backlog', 'idle'],
  );
});

test('an unknown name is refused, and the valid ones are listed', () => {
  assert.throws(() => readOptions(['backlogs']), /workload: unknown: backlogs; valid are backlog, /);
  assert.throws(() => readOptions(['--tools', 'logfleet,vector']), /--tools: unknown: vector; valid are logfleet, /);
  assert.throws(() => readOptions(['quick', 'backlog']), /unknown: quick/);
  assert.throws(() => readOptions(['--rounds', '0']), /--rounds: 0 is not a whole number above 0/);
});

test("Filebeat's path comes from the flag, otherwise from the variable", () => {
  assert.equal(readOptions([], { FILEBEAT: '/opt/fb' }).filebeat, '/opt/fb');
  assert.equal(readOptions(['--filebeat', '/x'], { FILEBEAT: '/opt/fb' }).filebeat, '/x');
});
