import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempDir } from '../../support/temp-dir.ts';

const TIMEOUT_MS = 20_000;
const SCRIPT = `
  import { FileWatchers } from ${JSON.stringify(join(import.meta.dirname, '../../../agent/collect/find/file-watcher.ts'))};
  const told = [];
  const watchers = new FileWatchers({ warn: (message, fields) => told.push({ message, ...fields }) });
  for (let entry = 0; entry < 2; entry++) watchers.create(() => {}).watch(process.argv[1], '1:1', 'folder');
  console.log(JSON.stringify(told));
`;

// Catalogue 64: fb tail_fs_add; imfile maxiNotifyWatches.
test('when inotify watches run out it is logged once, with the remedy, and collection continues', async (t) => {
  await using dir = await tempDir();
  // In a user namespace of its own, which has limits of its own.
  const limited = 'echo 0 > /proc/sys/user/max_inotify_watches && exec "$@"';
  const node = [process.execPath, '--input-type=module', '-e', SCRIPT, dir.path];
  const { stdout, stderr, status } = spawnSync('unshare', ['-Ur', 'sh', '-c', limited, 'sh', ...node], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  if (/unshare|max_inotify_watches/.test(stderr)) return t.skip(`no user namespace here: ${stderr}`);
  assert.equal(status, 0, stderr);
  const [told, ...more] = JSON.parse(stdout);
  assert.deepEqual(more, []);
  assert.match(told.error, /ENOSPC/);
  assert.match(told.remedy, /scan still finds files.*max_user_watches/);
});
