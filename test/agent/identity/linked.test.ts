import assert from 'node:assert/strict';
import { appendFile, mkdir, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { SourceFixture } from '../../support/source-fixture.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

/** As the kubelet does: the entry matches a link, and the file is rotated beside itself. */
const POD = ['pods', 'ns_p_uid', 'c'];
const GLOB = ['containers', '*.log'];

/** `target`: what the link says. `links`: more links, by their paths below the folder. */
interface Layout {
  target(dir: TempDir): string;
  links?: Readonly<Record<string, string>>;
}

const LAYOUTS: Readonly<Record<string, Layout>> = {
  'a link': { target: (dir) => dir.at(...POD, '0.log') },
  'a relative link': { target: () => '../pods/ns_p_uid/c/0.log' },
  'a link to a link': { target: () => '../first.log', links: { 'first.log': 'pods/ns_p_uid/c/0.log' } },
  'a link into a linked folder': { target: () => '../current/0.log', links: { current: 'pods/ns_p_uid/c' } },
};

async function makeLayout(dir: TempDir, { target, links = {} }: Layout, content: string): Promise<string> {
  await mkdir(dir.at('containers'));
  await mkdir(dir.at(...POD), { recursive: true });
  for (const [path, to] of Object.entries(links)) await symlink(to, dir.at(path));
  await symlink(target(dir), dir.at('containers', 'p.log'));
  await writeFile(dir.at(...POD, '0.log'), content);
  return dir.at(...POD, '0.log');
}

/** What one process delivers: it scans so often that what is missing has vanished. */
async function delivered(on: SourceFixture, ...globs: string[]): Promise<string[]> {
  for (let scan = 0; scan < 3; scan++) {
    await on.find(...globs);
    await on.deliver();
  }
  return on.allLines;
}

async function deliverAndKill(dir: TempDir, ...globs: string[]): Promise<string[]> {
  const on = new SourceFixture(dir);
  const lines = await delivered(on, ...globs);
  on.kill();
  return lines;
}

async function rotate(file: string, rotated: string): Promise<void> {
  await appendFile(file, 'two\n');
  await mkdir(dirname(rotated), { recursive: true });
  await rename(file, rotated);
}

// fluentd-kubernetes-daemonset#366; beats#1686.
for (const [name, layout] of Object.entries(LAYOUTS)) {
  test(`behind ${name}: a file rotated while the agent was stopped is read to its end, and so is its successor`, async () => {
    await using dir = await tempDir();
    const file = await makeLayout(dir, layout, 'one\n');
    const glob = dir.at(...GLOB);
    assert.deepEqual(await deliverAndKill(dir, glob), ['one']);
    await rotate(file, `${file}.20261130-110000`);
    await writeFile(file, 'three\n');
    const on = new SourceFixture(dir);
    assert.deepEqual([await delivered(on, glob), on.losses], [['three', 'two'], []]);
    on.kill();
    await appendFile(`${file}.20261130-110000`, 'late\n');
    const last = new SourceFixture(dir);
    assert.deepEqual([await delivered(last, glob), last.losses], [['late'], []]);
    last.close();
  });
}

test('a linked file that was rotated while it was closed for others is read to its end', async () => {
  await using dir = await tempDir();
  const file = await makeLayout(dir, LAYOUTS['a link'] as Layout, 'one\n');
  const on = new SourceFixture(dir, { filesMax: 2 });
  const glob = dir.at(...GLOB);
  await delivered(on, glob);
  for (const name of ['b', 'c']) await writeFile(dir.at('containers', `${name}.log`), `${name}\n`);
  await delivered(on, glob);
  assert.ok(on.at(dir.at('containers', 'p.log')).fd < 0);
  await rotate(file, `${file}.1`);
  await writeFile(file, 'three\n');
  assert.deepEqual([await delivered(on, glob), on.losses], [['b', 'c', 'one', 'three', 'two'], []]);
  on.close();
});

test('a linked file that was moved to a folder below its own during a stop is found there', async () => {
  await using dir = await tempDir();
  const file = await makeLayout(dir, LAYOUTS['a link'] as Layout, 'one\n');
  await deliverAndKill(dir, dir.at(...GLOB));
  await rotate(file, dir.at(...POD, 'old', '0.log'));
  const on = new SourceFixture(dir);
  assert.deepEqual([await delivered(on, dir.at(...GLOB)), on.losses], [['two'], []]);
  on.close();
});

test("a link that dangles after its file's rotation is read on when it leads to a file again", async () => {
  await using dir = await tempDir();
  const file = await makeLayout(dir, LAYOUTS['a link'] as Layout, 'one\n');
  const glob = dir.at(...GLOB);
  await deliverAndKill(dir, glob);
  await rotate(file, `${file}.1`);
  const on = new SourceFixture(dir);
  assert.deepEqual([await delivered(on, glob), on.losses], [['two'], []]);
  on.kill();
  await writeFile(file, 'three\n');
  const later = new SourceFixture(dir);
  assert.deepEqual([await delivered(later, glob), later.losses], [['three'], []]);
  later.close();
});

// rsyslog#3291: a folder for each day, and a link to the current one.
test('when a link to a folder was changed during a stop, the files of both folders are read to their ends', async () => {
  await using dir = await tempDir();
  for (const day of ['29-Nov', '30-Nov']) await mkdir(dir.at(day));
  await symlink('29-Nov', dir.at('latest'));
  await writeFile(dir.at('29-Nov', 'app.log'), 'one\n');
  const glob = dir.at('latest', '*.log');
  await deliverAndKill(dir, glob);
  await appendFile(dir.at('29-Nov', 'app.log'), 'two\n');
  await writeFile(dir.at('30-Nov', 'app.log'), 'three\n');
  await unlink(dir.at('latest'));
  await symlink('30-Nov', dir.at('latest'));
  const on = new SourceFixture(dir);
  assert.deepEqual([await delivered(on, glob), on.losses], [['three', 'two'], []]);
  on.close();
});

for (const [event, logs, to] of [
  ['the folder of a file was renamed', [], ['2026-11-30']],
  ['a folder above that of a file was renamed', ['app', 'logs'], ['2026-11-30']],
  ['the folder of a file was moved to another folder', [], ['archive', '2026-11-30']],
  ['a folder above that of a file was moved to another folder', ['app', 'logs'], ['archive', '2026-11-30']],
] as const) {
  test(`when ${event} during a stop and made again, both files are read to their ends`, async () => {
    await using dir = await tempDir();
    const [file, glob] = [dir.at('current', ...logs, 'app.log'), dir.at('current', ...logs, '*.log')];
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, 'one\n');
    await deliverAndKill(dir, glob);
    await appendFile(file, 'two\n');
    await mkdir(dirname(dir.at(...to)), { recursive: true });
    await rename(dir.at('current'), dir.at(...to));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, 'three\n');
    const on = new SourceFixture(dir);
    assert.deepEqual([await delivered(on, glob), on.losses], [['three', 'two'], []]);
    on.close();
  });
}

test('a file that an open descriptor followed to a far folder is found there after kill -9', async () => {
  await using dir = await tempDir();
  const far = dir.at('far', 'away', 'archive', '0.log');
  const file = await makeLayout(dir, LAYOUTS['a link'] as Layout, 'one\n');
  const glob = dir.at(...GLOB);
  const killed = new SourceFixture(dir);
  await delivered(killed, glob);
  await rotate(file, far);
  await writeFile(file, 'three\n');
  // It sees the move, reads nothing more, and is killed.
  await killed.find(glob);
  killed.kill();
  await appendFile(far, 'late\n');
  const on = new SourceFixture(dir);
  assert.deepEqual([await delivered(on, glob), on.losses], [['late', 'three', 'two'], []]);
  on.close();
});

test('a state without folders, of a previous version, finds a rotated file where its link leads', async () => {
  await using dir = await tempDir();
  const file = await makeLayout(dir, LAYOUTS['a link'] as Layout, 'one\n');
  const glob = dir.at(...GLOB);
  await deliverAndKill(dir, glob);
  const previous = new SourceFixture(dir);
  const [row] = previous.store.load('e');
  assert.ok(row);
  previous.store.put({ ...row, folder: undefined });
  previous.kill();
  await rotate(file, `${file}.1`);
  await writeFile(file, 'three\n');
  const on = new SourceFixture(dir);
  assert.deepEqual([await delivered(on, glob), on.losses], [['three', 'two'], []]);
  on.close();
});

test('a linked file of another file system that was deleted with its folder during a stop is one loss', async (t) => {
  await using dir = await tempDir();
  await using other = await tempDir('links', '/dev/shm');
  if ((await stat(other.path)).dev === (await stat(dir.path)).dev) return t.skip('/dev/shm is no file system');
  await mkdir(dir.at('containers'));
  await mkdir(other.at('c'));
  await writeFile(other.at('c', '0.log'), 'one\n');
  await symlink(other.at('c', '0.log'), dir.at('containers', 'p.log'));
  await deliverAndKill(dir, dir.at(...GLOB));
  await rm(other.at('c'), { recursive: true });
  const on = new SourceFixture(dir);
  assert.deepEqual(await delivered(on, dir.at(...GLOB)), []);
  assert.deepEqual(
    on.losses.map(({ path, start, end, openEnded, reason }) => [path, start, end, openEnded, reason]),
    [[dir.at('containers', 'p.log'), 4, 4, true, 'vanished']],
  );
  on.close();
});

for (const [name, globs] of [
  ['two links to a file', [['containers', '*.log']]],
  ['a file and a link to it', [GLOB, ['pods', '*', '*', '*.log']]],
] as const) {
  test(`of ${name} each line arrives once, over a rotation during a stop`, async () => {
    await using dir = await tempDir();
    const file = await makeLayout(dir, LAYOUTS['a link'] as Layout, 'one\n');
    await symlink('p.log', dir.at('containers', 'q.log'));
    const paths = globs.map((glob) => dir.at(...glob));
    assert.deepEqual(await deliverAndKill(dir, ...paths), ['one']);
    await rotate(file, `${file}.1`);
    await writeFile(file, 'three\n');
    const on = new SourceFixture(dir);
    assert.deepEqual([await delivered(on, ...paths), on.losses], [['three', 'two'], []]);
    on.close();
  });
}

test('a file with two paths keeps the one that it has, whichever path a file event names', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  const [path, link] = [dir.at('a.log'), dir.at('b.log')];
  await writeFile(path, 'one\n');
  await symlink('a.log', link);
  await on.find(dir.at('*.log'));
  for (const at of [link, path, link]) await on.fileEvent(at);
  assert.deepEqual(
    on.sources.map((source) => source.path),
    [path],
  );
  await rename(path, dir.at('c.log'));
  await on.fileEvent(dir.at('c.log'));
  assert.deepEqual(
    on.sources.map((source) => source.path),
    [dir.at('c.log')],
  );
  on.close();
});
