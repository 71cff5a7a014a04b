// node bin/bootstrap.mjs [SCRIPT [ARGUMENT…]]
//
// Makes a fresh clone ready, then runs SCRIPT on Node 24 or newer: what `npm start`, `npm test` and the others begin with.
// It runs on whatever Node the machine has, from 20 on, before any package is installed; so it is plain JavaScript.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_LEAST = 20;
const NODE_WANTED = 24;
const LEFTOVER_AGE_MS = 3_600_000;
const STAGING_PREFIX = '.install-';
const HASH_FILE = '.logfleet-lock-hash';

const repository = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const modules = join(repository, 'node_modules');
const say = (line) => process.stderr.write(`logfleet: ${line}\n`);

main();

function main() {
  const [script, ...args] = process.argv.slice(2);
  if (majorOf(process.versions.node) < NODE_LEAST) {
    giveUp(`this is Node.js ${process.versions.node}; install Node.js ${NODE_WANTED} (at least ${NODE_LEAST}) first`);
  }
  if (!isCurrent()) install();
  if (script !== undefined) run(findNode(), script, args);
}

function giveUp(reason) {
  say(reason);
  process.exit(1);
}

function majorOf(version) {
  return Number(version.replace(/^v/, '').split('.')[0]);
}

function lockHash() {
  return createHash('sha256')
    .update(readFileSync(join(repository, 'package-lock.json')))
    .digest('hex');
}

function isCurrent() {
  try {
    return readFileSync(join(modules, HASH_FILE), 'utf8') === lockHash();
  } catch {
    return false;
  }
}

/**
 * Installs into a folder of its own and moves node_modules into place when it is whole. So a broken-off install leaves what was there,
 * and of two at once the first to finish wins.
 */
function install() {
  say(`installing the packages of package-lock.json${existsSync(modules) ? ' again, for it has changed' : ''} …`);
  const startMs = performance.now();
  removeLeftovers();
  const hash = lockHash();
  const staging = mkdtempSync(join(repository, STAGING_PREFIX));
  process.on('exit', () => rmSync(staging, { recursive: true, force: true }));
  for (const file of ['package.json', 'package-lock.json', '.npmrc']) {
    if (existsSync(join(repository, file))) copyFileSync(join(repository, file), join(staging, file));
  }
  runNpm(staging);
  writeFileSync(join(staging, 'node_modules', HASH_FILE), hash);
  if (!isCurrent()) moveIntoPlace(staging);
  say(`installed in ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
}

function runNpm(staging) {
  const args = ['ci', '--prefix', staging, '--no-audit', '--no-fund', '--loglevel=error'];
  // A NODE_ENV=production of the user's would leave out what the checks and the smoke test need.
  args.push('--include=dev', '--include=optional');
  const npm = spawnSync('npm', args, { cwd: staging, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  if (npm.error?.code === 'ENOENT') giveUp('npm is not on PATH; install it (it comes with Node.js)');
  if (npm.error) giveUp(`npm can't be run: ${npm.error.message}`);
  if (npm.status === 0) return;
  process.stderr.write(npm.stdout + npm.stderr);
  if (npm.signal) giveUp('the installation was broken off');
  giveUp('the packages could not be installed; npm says above why');
}

function moveIntoPlace(staging) {
  const former = join(staging, 'former');
  renameIfThere(modules, former);
  try {
    renameSync(join(staging, 'node_modules'), modules);
  } catch (error) {
    // Somebody else's came in between; theirs is as good as ours when it is of the same lock file.
    if (!isCurrent()) giveUp(`node_modules can't be moved into place: ${error.message}; try again`);
  }
}

function renameIfThere(from, to) {
  try {
    renameSync(from, to);
  } catch (error) {
    if (error.code !== 'ENOENT') giveUp(`node_modules can't be replaced: ${error.message}`);
  }
}

/** What a kill -9 left behind. A folder that is young may be another process's at work. */
function removeLeftovers() {
  for (const name of readdirSync(repository)) {
    const path = join(repository, name);
    if (!name.startsWith(STAGING_PREFIX) || Date.now() - statSync(path).mtimeMs < LEFTOVER_AGE_MS) continue;
    rmSync(path, { recursive: true, force: true });
  }
}

function findNode() {
  if (majorOf(process.versions.node) >= NODE_WANTED) return process.execPath;
  const packaged = join(modules, `node-${process.platform}-${process.arch}`, 'bin', 'node');
  // The binary may be there and not run: Alpine has another C library.
  const version = spawnSync(packaged, ['--version'], { encoding: 'utf8' });
  if (version.status === 0 && majorOf(version.stdout) >= NODE_WANTED) return packaged;
  return giveUp(
    `this is Node.js ${process.versions.node}, and ${process.platform}-${process.arch} has no package of a newer one: install Node.js ${NODE_WANTED} or newer`,
  );
}

/** Ends as the script does: with its exit code, or by its signal. */
function run(node, script, args) {
  // The launchers that SCRIPT may start need the same Node.
  const env = { LOGFLEET_NODE: node, ...process.env };
  const child = spawn(node, [join(repository, script), ...args], { stdio: 'inherit', env });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const forward = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, forward);
  child.once('error', (error) => giveUp(`${node} can't be run: ${error.message}`));
  child.once('exit', (code, signal) => {
    for (const name of signals) process.off(name, forward);
    if (signal === null) process.exit(code);
    process.kill(process.pid, signal);
    // A signal that does not end a process, or one that is yet on its way.
    process.exitCode = 128 + constants.signals[signal];
  });
}
