import assert from 'node:assert/strict';
import { mkdir, readFile, rename, stat } from 'node:fs/promises';
import { test } from 'node:test';
import { HealthFile } from '../../agent/health-file.ts';
import { AgentHealth, EntryStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import { createLogger } from '../../runtime/logger.ts';
import { eventually } from '../support/eventually.ts';
import { HandClock } from '../support/hand-clock.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';

const INTERVAL_MS = 5_000;

function healthFile(dir: TempDir) {
  const clock = new HandClock();
  const log: string[] = [];
  const logger = createLogger({ level: 'warn', format: 'text', write: (line) => log.push(line) });
  const status = EntryStatus.create({ entry: 'entries/a', state: 'STATE_APPLIED', files: 2 });
  const entries = { error: '' };
  let changed = () => {};
  const report = () => ({ entries: [status], files: [], health: AgentHealth.create({ lagBytes: 7n }), facts: [] });
  const collector = {
    report,
    onChange: (listener: () => void) => {
      changed = listener;
    },
  };
  const file = new HealthFile(dir.path, { entries, collector }, { clock, logger });
  const read = async () => {
    await file.write();
    return JSON.parse(await readFile(dir.at('health.json'), 'utf8'));
  };
  return { clock, log, status, entries, file, read, changed: () => changed() };
}

test('the health file shows the entries, and an error of the entries file at once', async () => {
  await using dir = await tempDir();
  const { entries, file, read } = healthFile(dir);
  file.start(INTERVAL_MS);
  const shown = { entry: 'entries/a', state: 'STATE_APPLIED', error: '', files: 2, failed_files: 0 };
  const first = { time: '1970-01-01T00:00:00.000Z', pid: process.pid, error: '', entries: [shown] };
  assert.deepEqual(await read(), first);
  entries.error = 'a.yaml:1: topic: is required';
  assert.deepEqual(await read(), { ...first, error: 'a.yaml:1: topic: is required' });
  await file.close();
  await assert.rejects(stat(dir.at('health.json')), { code: 'ENOENT' });
});

test('changes of the collector are gathered for an interval, and a file that says the same is not written', async () => {
  await using dir = await tempDir();
  const { clock, status, file, read, changed } = healthFile(dir);
  file.start(INTERVAL_MS);
  await read();
  const { ino } = await stat(dir.at('health.json'));
  changed();
  changed();
  assert.equal(clock.timers, 1);
  clock.runTo(INTERVAL_MS);
  assert.equal((await read()).time, '1970-01-01T00:00:00.000Z');
  assert.equal((await stat(dir.at('health.json'))).ino, ino);
  status.files = 3;
  changed();
  clock.runTo(2 * INTERVAL_MS);
  await eventually(async () => {
    const { time, entries } = JSON.parse(await readFile(dir.at('health.json'), 'utf8'));
    assert.deepEqual([time, entries[0].files], ['1970-01-01T00:00:10.000Z', 3]);
  });
  await file.close();
  changed();
  assert.equal(clock.timers, 0);
});

test('a health file that cannot be written is logged once, and written when it can be', async () => {
  await using dir = await tempDir();
  const { file, log, read } = healthFile(dir);
  await mkdir(dir.at('health.json'));
  await file.write();
  await file.write();
  assert.equal(log.length, 1);
  assert.match(String(log[0]), /WARN .*health file.*remedy=/);
  await rename(dir.at('health.json'), dir.at('away'));
  assert.equal((await read()).error, '');
});
