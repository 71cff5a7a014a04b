import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempDir } from '../../support/temp-dir.ts';

const TIMEOUT_MS = 20_000;
const SCRIPT = `
  import { FileWatchers } from ${JSON.stringify(join(import.meta.dirname, '../../../agent/collect/find/file-watcher.ts'))};
  const logged = [];
  const watchers = new FileWatchers({ warn: (message, fields) => logged.push({ message, ...fields }) });
  for (let entry = 0; entry < 2; entry++) watchers.create(() => {}).watch(process.argv[1], '1:1');
  console.log(JSON.stringify(logged));
`;

/** What is logged in a user namespace whose limit `name` is 0. undefined: there is none here. */
function logWithout(limit: string, folder: string): { error: string; remedy: string }[] | undefined {
  const limited = `echo 0 > /proc/sys/user/${limit} && exec "$@"`;
  const node = [process.execPath, '--input-type=module', '-e', SCRIPT, folder];
  const { stdout, stderr, status } = spawnSync('unshare', ['-Ur', 'sh', '-c', limited, 'sh', ...node], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  if (/unshare|max_inotify/.test(stderr)) return undefined;
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

// Catalogue 64: fb tail_fs_add; imfile maxiNotifyWatches.
const EXHAUSTED = [
  {
    resource: 'watches',
    limit: 'max_inotify_watches',
    code: /ENOSPC/,
    remedy: /scan still finds files.*max_user_watches/,
  },
  {
    resource: 'instances',
    limit: 'max_inotify_instances',
    code: /EMFILE/,
    remedy: /scan still finds files.*max_user_instances/,
  },
];
for (const { resource, limit, code, remedy } of EXHAUSTED) {
  test(`when inotify ${resource} run out it is logged once, with the remedy, and collection continues`, async (t) => {
    await using dir = await tempDir();
    const logged = logWithout(limit, dir.path);
    if (!logged) return t.skip('no user namespace here');
    assert.equal(logged.length, 1);
    assert.match(logged[0]?.error ?? '', code);
    assert.match(logged[0]?.remedy ?? '', remedy);
  });
}
