// `npm run check`: the checks that need no servers. It runs all of them, then fails if one failed.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { entriesPage } from '../proto/reference/entries-page.ts';
import { cliPage, cliPageFile } from './make-cli-page.mjs';
import { entriesPageFile } from './make-entries-page.mjs';
import { kernelCode, kernelFile } from './make-kernel.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const tool = (name) => join(root, 'node_modules', '.bin', name);
const env = { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH}` };

function run(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    env,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  return { ok: status === 0, text: `${stdout ?? ''}${stderr ?? ''}` };
}

/**
 * Generates into a temporary folder and compares, so generated code is neither edited nor out of
 * date.
 */
function generatedIsCurrent() {
  const folder = mkdtempSync(join(tmpdir(), 'logfleet-gen-'));
  try {
    const template = join(folder, 'buf.gen.yaml');
    const out = join(folder, 'gen');
    writeFileSync(template, readFileSync(join(root, 'buf.gen.yaml'), 'utf8').replace('out: proto/gen', `out: ${out}`));
    const generated = run(tool('buf'), ['generate', '--template', template]);
    if (!generated.ok) return generated;
    const described = run(tool('buf'), ['build', '-o', join(out, 'descriptors.binpb')]);
    if (!described.ok) return described;
    const { ok, text } = run('diff', ['-r', join(root, 'proto', 'gen'), out]);
    return {
      ok,
      text: ok ? text : `proto/gen is out of date: run "npm run generate"\n${text.slice(0, 2000)}`,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Compares a generated file with what its generator makes now. */
async function fileIsCurrent(file, generate) {
  try {
    const ok = (await generate()) === readFileSync(file, 'utf8');
    return { ok, text: ok ? '' : `${file} is out of date: run "npm run generate"` };
  } catch (error) {
    return { ok: false, text: error.message };
  }
}

const checks = [
  ['buf lint', () => run(tool('buf'), ['lint'])],
  ['generated code', generatedIsCurrent],
  ['generated kernel', () => fileIsCurrent(kernelFile, kernelCode)],
  ['docs/cli.md', () => fileIsCurrent(cliPageFile, cliPage)],
  ['docs/entries.md', () => fileIsCurrent(entriesPageFile, entriesPage)],
  ['biome', () => run(tool('biome'), ['check', '--error-on-warnings', '.'])],
  ['tsc', () => run(tool('tsc'), ['-p', '.'])],
  ['knip', () => run(tool('knip'), [])],
  ['architecture', () => run(process.execPath, ['--test', '--test-reporter=dot', 'test/architecture.test.ts'])],
];
let failed = false;
for (const [name, check] of checks) {
  const startMs = Date.now();
  const { ok, text } = await check();
  process.stdout.write(`${ok ? 'ok    ' : 'FAILED'} ${name} (${((Date.now() - startMs) / 1000).toFixed(1)} s)\n`);
  if (!ok) process.stdout.write(`${text}\n`);
  failed ||= !ok;
}
process.exit(failed ? 1 : 0);
