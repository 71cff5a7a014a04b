import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, type TestContext, test } from 'node:test';
import { newPrefix, type RunningController, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { sharedEtcd } from '../../support/servers.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

const bin = join(import.meta.dirname, '..', '..', '..', 'bin');
const SHELL_TIMEOUT_MS = 30_000;

let controller: RunningController;
let dir: TempDir;

before(async () => {
  controller = await startController(await sharedEtcd(), newPrefix());
  dir = await tempDir('completion');
  for (const entry_id of ['nginx-access', 'nginx-error', 'db'])
    await controller.api.call('EntryService', 'CreateEntry', { entry_id, entry: { paths: ['/a'], topic: 't' } });
  await writeFile(dir.at('entry-1.yaml'), '');
});

after(async () => {
  await controller[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});

const has = (shell: string) => spawnSync(shell, ['--version']).status === 0;

function environment(): NodeJS.ProcessEnv {
  const { PATH, NODE_TEST_CONTEXT: _context, ...rest } = process.env;
  return {
    ...rest,
    PATH: `${bin}:${PATH}`,
    LOGFLEET_CONTROLLER: controller.address,
    LOGFLEET_NODE: process.execPath,
    TERM: 'dumb',
  };
}

/** Runs a script in a shell and returns the lines it prints. */
async function run(shell: string, args: string[], script = ''): Promise<string[]> {
  const child = spawn(shell, args, { env: environment(), cwd: dir.path, timeout: SHELL_TIMEOUT_MS });
  child.stdin.end(script);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  assert.equal(stderr, '', shell);
  return stdout.split('\n').filter(Boolean);
}

/** Completes the last word as bash does. `words` are split as bash splits a line. */
const inBash = (...words: string[]) =>
  run(
    'bash',
    ['--norc'],
    `source <(logfleet completion bash)
COMP_WORDS=(logfleet ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}
_logfleet
printf '%s\\n' "\${COMPREPLY[@]}"`,
  );

test('bash completes commands, flags, choices, kinds, names of the controller, and files', async () => {
  assert.deepEqual(await inBash('de'), ['describe', 'delete']);
  assert.deepEqual(await inBash('import', ''), ['course-json', 'ini']);
  assert.deepEqual(await inBash('completion', ''), ['bash', 'zsh', 'fish']);
  assert.deepEqual(await inBash('get', 'e'), ['entries', 'entry']);
  assert.deepEqual(await inBash('describe', 'entry', 'nginx-'), ['nginx-access', 'nginx-error']);
  assert.deepEqual(await inBash('describe', 'entry', 'nginx-access', ''), ['db', 'nginx-error']);
  assert.deepEqual(await inBash('delete', 'entry/db', 'entry/n'), ['entry/nginx-access', 'entry/nginx-error']);
  assert.deepEqual(await inBash('get', 'losses', '--entry', 'd'), ['db']);
  assert.deepEqual(await inBash('rollout', 'st'), ['status']);
  assert.deepEqual(await inBash('rollout', 'status', 'nginx-a'), ['nginx-access']);
  assert.deepEqual(await inBash('rollout', 'undo', 'd'), ['db']);
  assert.deepEqual(await inBash('get', 'ro'), ['rollouts']);
  assert.deepEqual(await inBash('apply', '--on-failure', 'u'), ['undo']);
  for (const command of ['loglevel', 'diagnostics']) assert.deepEqual(await inBash(command, ''), ['agent']);
  assert.deepEqual(await inBash('loglevel', 'agent', 'web-17', ''), ['debug', 'info', 'warn', 'error']);
  assert.deepEqual(await inBash('get', '-o', 'w'), ['wide']);
  assert.deepEqual(await inBash('get', '--output', '=', 'w'), ['wide']);
  assert.deepEqual(await inBash('get', 'entries', '--wa'), ['--watch']);
  assert.deepEqual(await inBash('apply', '-f', 'entry'), ['entry-1.yaml']);
});

test('names come from the controller in the line; without a response nothing is completed or printed', async () => {
  const [host = '', port = ''] = controller.address.split(':');
  const elsewhere = ['--controller', '127.0.0.1', ':', '1', 'get', 'entry', ''];
  assert.deepEqual(await inBash(...elsewhere), []);
  assert.deepEqual(await inBash('--controller', host, ':', port, 'get', 'entry', 'd'), ['db']);
  assert.deepEqual(await inBash('--tls', 'get', 'entry', 'd'), [], 'that port does not speak TLS');
});

test('in an interactive bash, Tab completes a word', {
  skip: !has('script'),
}, async (t: TestContext) => {
  const child = spawn('script', ['-qfc', 'bash --norc -i', '/dev/null'], { env: environment(), cwd: dir.path });
  t.after(() => child.kill());
  let shown = '';
  child.stdout.on('data', (data: Buffer) => {
    shown += data.toString();
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  child.stdin.write('source <(logfleet completion bash); echo rea""dy\n');
  await eventually(() => assert.match(shown, /\nready\r?\n/), { timeoutMs: 20_000 });
  child.stdin.write('echo logfleet; logfleet descr\tentry nginx-a\t');
  await eventually(() => assert.match(shown, /describe entry nginx-access /), { timeoutMs: 20_000 });
  child.stdin.end('\x15exit\n');
  await closed;
});

test('fish completes the same', { skip: !has('fish') }, async () => {
  const inFish = async (line: string) => {
    const lines = await run('fish', ['--no-config', '-c', `logfleet completion fish | source; complete -C '${line}'`]);
    return lines.map((each) => each.split('\t')[0]);
  };
  assert.deepEqual(await inFish('logfleet de'), ['delete', 'describe']);
  assert.deepEqual(await inFish('logfleet describe entry nginx-'), ['nginx-access', 'nginx-error']);
  assert.deepEqual(await inFish('logfleet get --output=w'), ['--output=wide']);
  assert.deepEqual(await inFish('logfleet apply -f entry'), ['entry-1.yaml']);
});

test('zsh completes the same', { skip: !has('zsh') }, async () => {
  // Opens a terminal in zsh, presses Tab at its prompt, waits for the completed word and presses
  // Enter. A function prints the command instead of running it.
  const tab = async (line: string, rest: string) => {
    const [ran] = await run(
      'zsh',
      ['-f'],
      `zmodload zsh/zpty
zpty inner zsh -f -i
zpty -w inner 'autoload -U compinit; compinit -u -D; source <(logfleet completion zsh)'
zpty -w inner 'logfleet() { if [[ $1 == __complete ]]; then command logfleet "$@"; else print -r "ran: $*;"; fi }'
zpty -w inner "print rea''dy"
zpty -r inner shown '*ready*'
zpty -w -n inner '${line}'$'\\t'
zpty -r inner shown '*${rest}*'
zpty -w -n inner $'\\n'
zpty -r inner shown '*ran: [a-z]*;*' && print -r -- \${shown##*ran: }`,
    );
    return ran?.trim();
  };
  for (const [line, rest] of [
    ['describe entry nginx-a', 'ccess'],
    ['descr', 'ibe'],
    ['get --output=wi', 'de'],
    ['apply -f entr', 'y-1.yaml'],
  ] as const)
    assert.equal(await tab(`logfleet ${line}`, rest), `${line}${rest};`);
});
