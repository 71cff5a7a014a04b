import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Discovery } from '../../../../agent/collect/find/discovery.ts';
import { FileEventHandler, type FileEventTarget } from '../../../../agent/collect/find/file-event-handler.ts';
import { FileWatchers } from '../../../../agent/collect/find/file-watcher.ts';
import { systemClock } from '../../../../runtime/clock.ts';
import { createLogger } from '../../../../runtime/logger.ts';
import { eventually } from '../../../support/eventually.ts';
import { type TempDir, tempDir } from '../../../support/temp-dir.ts';

/** More events in a second than a folder may have before it counts as busy. */
const MANY = 400;

/** Follows the file events of one glob and notes the calls. */
class Follower implements Disposable {
  readonly discovery: Discovery;
  readonly between: FileEventHandler;
  /** The last size that was reported for each path. */
  readonly sizes = new Map<string, number>();
  scans = 0;
  readonly #stop = new AbortController();

  constructor(glob: string) {
    const watchers = new FileWatchers(createLogger({ level: 'error', format: 'text' }));
    const hinted = {
      discovery: () => this.discovery,
      scanned: () => this.scans > 0,
      continueReading: () => false,
      handleEvent: async (path: string, look: Parameters<FileEventTarget['handleEvent']>[1]) => {
        const file = await Promise.resolve(look()).catch(() => undefined);
        this.sizes.set(path, file?.size ?? -1);
      },
      scan: () => this.scan().catch((error) => assert.ok(this.#stop.signal.aborted, error)),
    };
    this.between = new FileEventHandler(hinted, systemClock, (events) => watchers.create(events));
    this.discovery = new Discovery({ paths: [glob], exclude: [] }, this.between.events);
  }

  async scan(): Promise<void> {
    const { files } = await this.discovery.scan(this.#stop.signal);
    for (const { path, size } of files) this.sizes.set(path, size);
    this.scans++;
    this.between.scanned();
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.between.stop();
  }
}

/** Writes to two files in turn: the system merges events of writes to the same one. */
function manyWrites(dir: TempDir): void {
  for (let write = 0; write < MANY; write++) appendFileSync(dir.at(write % 2 === 0 ? 'a.log' : 'b.log'), 'x\n');
}

test('writes, new names and deleted names in a watched folder are reported without a scan', async () => {
  await using dir = await tempDir();
  writeFileSync(dir.at('a.log'), 'one\n');
  using follower = new Follower(dir.at('*.log'));
  await follower.scan();
  appendFileSync(dir.at('a.log'), 'two\n');
  await eventually(() => assert.equal(follower.sizes.get(dir.at('a.log')), 8));
  writeFileSync(dir.at('b.log'), 'three\n');
  await eventually(() => assert.equal(follower.sizes.get(dir.at('b.log')), 6));
  renameSync(dir.at('b.log'), dir.at('c.log'));
  await eventually(() => assert.equal(follower.sizes.get(dir.at('c.log')), 6));
  assert.equal(follower.sizes.get(dir.at('b.log')), -1);
  assert.equal(follower.scans, 1);
});

for (const [name, links] of [
  ['a link', { 'links/a.log': '../logs/app/0.log' }],
  ['a link to a link in another folder', { 'links/a.log': '../more/b.log', 'more/b.log': '../logs/app/0.log' }],
  ['a link into a linked folder', { 'links/a.log': '../more/app/../app/0.log', 'more/app': '../logs/app' }],
] as const) {
  // fluentd-kubernetes-daemonset#465; fluent-bit#649.
  test(`behind ${name}: writes, rotations and new files are reported without a scan`, async () => {
    await using dir = await tempDir();
    for (const folder of ['links', 'more', 'logs/app']) mkdirSync(dir.at(folder), { recursive: true });
    for (const [path, target] of Object.entries(links)) symlinkSync(target, dir.at(path));
    const [file, link] = [dir.at('logs', 'app', '0.log'), dir.at('links', 'a.log')];
    using follower = new Follower(dir.at('links', '*.log'));
    // The link dangles at first, and in each rotation's gap.
    await follower.scan();
    for (let rotation = 1; rotation <= 3; rotation++) {
      writeFileSync(file, 'one\n');
      await eventually(() => assert.equal(follower.sizes.get(link), 4));
      appendFileSync(file, 'two\n');
      await eventually(() => assert.equal(follower.sizes.get(link), 8));
      renameSync(file, `${file}.${rotation}`);
      await eventually(() => assert.equal(follower.sizes.get(link), -1));
      if (rotation === 2) await follower.scan();
    }
    assert.equal(follower.scans, 2);
  });
}

test('a busy folder to whose other files links lead is not polled, and their writes are reported', async () => {
  await using dir = await tempDir();
  for (const name of ['a.log', 'b.log', 'c.txt']) writeFileSync(dir.at(name), '');
  symlinkSync('c.txt', dir.at('c.log'));
  using follower = new Follower(dir.at('*.log'));
  await follower.scan();
  for (let round = 0; round < 3; round++) {
    manyWrites(dir);
    appendFileSync(dir.at('c.txt'), 'x\n');
    await eventually(() => {
      assert.equal(follower.sizes.get(dir.at('a.log')), statSync(dir.at('a.log')).size);
      assert.equal(follower.sizes.get(dir.at('c.log')), 2 * (round + 1));
    });
  }
  assert.deepEqual([follower.between.busy.size, follower.scans], [0, 1]);
});

test('a busy folder is polled instead of watched for some seconds, and all growth is reported', async () => {
  await using dir = await tempDir();
  for (const name of ['a.log', 'b.log', 'c.txt']) writeFileSync(dir.at(name), '');
  using follower = new Follower(dir.at('*.log'));
  await follower.scan();
  await eventually(() => {
    manyWrites(dir);
    assert.equal(follower.between.busy.size, 1);
  });
  for (let round = 0; round < 5; round++) {
    for (const name of ['a.log', 'b.log']) appendFileSync(dir.at(name), `round ${round}\n`);
    await eventually(() => {
      for (const name of ['a.log', 'b.log'])
        assert.equal(follower.sizes.get(dir.at(name)), statSync(dir.at(name)).size);
    });
  }
  assert.equal(follower.between.busy.size, 1);
  assert.equal(follower.sizes.has(dir.at('c.txt')), false);
});

test('a busy folder requests a scan when its names change', async () => {
  await using dir = await tempDir();
  for (const name of ['a.log', 'b.log']) writeFileSync(dir.at(name), '');
  using follower = new Follower(dir.at('*.log'));
  await follower.scan();
  await eventually(() => {
    manyWrites(dir);
    assert.equal(follower.between.busy.size, 1);
  });
  writeFileSync(dir.at('new.log'), 'new\n');
  await eventually(() => assert.equal(follower.sizes.get(dir.at('new.log')), 4));
  assert.ok(follower.scans > 1);
});

test('a folder that is created later, or recreated, is watched from then on', async () => {
  await using dir = await tempDir();
  using follower = new Follower(dir.at('logs', '*.log'));
  await follower.scan();
  for (let life = 0; life < 2; life++) {
    mkdirSync(dir.at('logs'));
    writeFileSync(dir.at('logs', 'a.log'), 'one\n');
    await eventually(() => assert.equal(follower.sizes.get(dir.at('logs', 'a.log')), 4));
    await follower.scan();
    appendFileSync(dir.at('logs', 'a.log'), 'two\n');
    await eventually(() => assert.equal(follower.sizes.get(dir.at('logs', 'a.log')), 8));
    rmSync(dir.at('logs'), { recursive: true });
    await follower.scan();
  }
});

test('a folder that was renamed and made again is watched without waiting for a scan', async () => {
  await using dir = await tempDir();
  mkdirSync(dir.at('logs'));
  using follower = new Follower(dir.at('logs', '*.log'));
  await follower.scan();
  for (let rename = 1; rename <= 3; rename++) {
    renameSync(dir.at('logs'), dir.at(`logs-${rename}`));
    mkdirSync(dir.at('logs'));
    writeFileSync(dir.at('logs', `${rename}.log`), 'one\n');
    await eventually(() => assert.equal(follower.sizes.get(dir.at('logs', `${rename}.log`)), 4));
    appendFileSync(dir.at('logs', `${rename}.log`), 'two\n');
    await eventually(() => assert.equal(follower.sizes.get(dir.at('logs', `${rename}.log`)), 8));
  }
});

test('a busy folder that becomes unreadable is left to the scan, without an error', async () => {
  await using dir = await tempDir();
  mkdirSync(dir.at('app', 'logs'), { recursive: true });
  const names = ['a.log', 'b.log'].map((name) => dir.at('app', 'logs', name)) as [string, string];
  for (const name of names) writeFileSync(name, '');
  using follower = new Follower(dir.at('app', 'logs', '*.log'));
  await follower.scan();
  await eventually(() => {
    for (let write = 0; write < MANY; write++) appendFileSync(names[write % 2] as string, 'x\n');
    assert.equal(follower.between.busy.size, 1);
  });
  const { scans } = follower;
  renameSync(dir.at('app'), dir.at('other'));
  // A link that leads to itself: ELOOP.
  symlinkSync('app', dir.at('app'));
  await eventually(() => assert.ok(follower.scans > scans));
});
