import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorText } from '../runtime/errors.ts';
import { startStack } from '../stack/start-stack.ts';

/**
 * `npm test [-- PART…]`: starts one etcd and one Kafka for all tests, runs the test files whose
 * path contains a PART (without one, all of them) with Node's test runner, and stops the servers.
 */
const FILES_AT_ONCE = 2;
const FILE_TIMEOUT_MS = 300_000;

const parts = process.argv.slice(2);
const repository = join(import.meta.dirname, '..');
const files = globSync('test/**/*.test.ts', { cwd: repository })
  .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
  .sort();

async function main(): Promise<number> {
  if (files.length === 0) throw new Error(`no test file's path contains ${parts.join(' or ')}`);
  const dataDir = mkdtempSync(join(tmpdir(), 'logfleet-test-servers-'));
  const stack = await startStack({ dataDir, say: (line) => console.log(line) });
  try {
    return await runFiles({ LOGFLEET_TEST_ETCD: stack.etcd.join(','), LOGFLEET_TEST_KAFKA: stack.kafka.join(',') });
  } finally {
    await stack.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

function runFiles(env: Record<string, string>): Promise<number> {
  const args = [
    // kafkajs computes a timeout below zero here and there, and Node says so.
    '--disable-warning=TimeoutNegativeWarning',
    '--test',
    `--test-concurrency=${FILES_AT_ONCE}`,
    `--test-timeout=${FILE_TIMEOUT_MS}`,
    '--test-reporter=spec',
    ...files,
  ];
  const runner = spawn(process.execPath, args, { cwd: repository, env: { ...process.env, ...env }, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => runner.kill(signal));
  return new Promise((resolve, reject) => {
    runner.once('error', reject);
    runner.once('close', (code) => resolve(code ?? 1));
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`npm test: ${errorText(error)}`);
  process.exitCode = 1;
}
