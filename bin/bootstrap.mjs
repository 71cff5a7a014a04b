// node bin/bootstrap.mjs [SCRIPT [ARGUMENT…]]
//
// Installs the packages of a fresh clone, then runs SCRIPT on Node.js 24 or newer. `npm start`,
// `npm test` and the other scripts begin with it. It is plain JavaScript, because it runs before
// any package is installed, on any Node.js from version 20 on.

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
 * Installs into a temporary folder and moves node_modules into place when it is complete. So an
 * interrupted installation changes nothing, and of two concurrent ones the first is kept.
 */
function install() {
  say(`installing the packages of package-lock.json${existsSync(modules) ? ' again, because it has changed' : ''} …`);
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
  // With NODE_ENV=production npm would leave out packages that the checks and the smoke test need.
  args.push('--include=dev', '--include=optional');
  const npm = spawnSync('npm', args, { cwd: staging, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  if (npm.error?.code === 'ENOENT') giveUp('npm is not on PATH: install it (it comes with Node.js)');
  if (npm.error) giveUp(`npm cannot be run: ${npm.error.message}`);
  if (npm.status === 0) return;
  process.stderr.write(npm.stdout + npm.stderr);
  if (npm.signal) giveUp('the installation was interrupted');
  giveUp('the packages could not be installed: see the output of npm above');
}

function moveIntoPlace(staging) {
  renameIfExists(modules, join(staging, 'previous'));
  try {
    renameSync(join(staging, 'node_modules'), modules);
  } catch (error) {
    // Another installation was faster. It is as good if it has the same lock file.
    if (!isCurrent()) giveUp(`node_modules cannot be moved into place: ${error.message}: try again`);
  }
}

function renameIfExists(from, to) {
  try {
    renameSync(from, to);
  } catch (error) {
    if (error.code !== 'ENOENT') giveUp(`node_modules cannot be replaced: ${error.message}`);
  }
}

/** Removes what a killed installation left behind. A recent folder may belong to a running one. */
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
  // The binary may exist and not run: Alpine has a different C library.
  const version = spawnSync(packaged, ['--version'], { encoding: 'utf8' });
  if (version.status === 0 && majorOf(version.stdout) >= NODE_WANTED) return packaged;
  return giveUp(
    `this is Node.js ${process.versions.node}, and ${process.platform}-${process.arch} has no package of a newer one: install Node.js ${NODE_WANTED} or newer`,
  );
}

/** Runs the script, and ends with its exit code or by its signal. */
function run(node, script, args) {
  // Launchers that the script starts need the same Node.js.
  const env = { LOGFLEET_NODE: node, ...process.env };
  const child = spawn(node, [join(repository, script), ...args], { stdio: 'inherit', env });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const forward = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, forward);
  child.once('error', (error) => giveUp(`${node} cannot be run: ${error.message}`));
  child.once('exit', (code, signal) => {
    for (const name of signals) process.off(name, forward);
    if (signal === null) process.exit(code);
    process.kill(process.pid, signal);
    // The signal may not end this process, or may not have arrived yet.
    process.exitCode = 128 + constants.signals[signal];
  });
}
