import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../../runtime/clock.ts';
import { errorText, isAbort } from '../../runtime/errors.ts';
import { runUntilSignal } from '../../runtime/lifecycle.ts';
import { createLogger } from '../../runtime/logger.ts';
import { type Stack, serversFromEnv, startStack } from '../start-stack.ts';
import { Demo } from './demo.ts';

const HELP = `Starts etcd, Kafka, a controller, an agent and a log writer, creates a collection entry
over gRPC, and shows the delivery of lines.

Usage: npm start [-- options]

  --smoke          deliver 10,000 lines, verify each byte in Kafka, and exit
  --rate N         lines per second of the log writer (default: 1000)

The variables ETCD=host:port and KAFKA=host:port name your own servers to use instead.
Ctrl-C stops everything.
`;
const SMOKE_LINES = 10_000;
const SMOKE_TIMEOUT_MS = 60_000;
const RATE_MAX = 1_000_000;
const LIVE_INTERVAL_MS = 1_000;
/** The interval where output is not a terminal. */
const LOGGED_INTERVAL_MS = 10_000;
const root = join(import.meta.dirname, '..', '..');
const say = (line: string) => void process.stderr.write(`${line}\n`);

interface Options {
  smoke: boolean;
  rate: number;
}

/** Parses the command line; undefined for --help. Throws an Error for an invalid option. */
function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      smoke: { type: 'boolean', default: false },
      rate: { type: 'string', default: '1000' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const rate = Number(values.rate);
  if (!(rate >= 1 && rate <= RATE_MAX)) throw new Error(`--rate: ${values.rate} is not a number from 1 to ${RATE_MAX}`);
  return values.help ? undefined : { smoke: values.smoke, rate };
}

async function runDemo({ smoke: isSmoke, rate }: Options, signal: AbortSignal): Promise<void> {
  const servers = serversFromEnv(process.env);
  const folder = await mkdtemp(join(tmpdir(), 'logfleet-demo-'));
  say('starting etcd and Kafka …');
  const stack = await startStack({ dataDir: join(folder, 'stack'), ...servers, largeBatches: true, say });
  try {
    await using demo = new Demo(folder);
    say('starting a controller and an agent …');
    await demo.start(stack);
    if (isSmoke) await Promise.race([smoke(demo, stack), stack.died]);
    else await live(demo, stack, rate, signal);
  } catch (error) {
    say(`the logs of the processes are in ${folder}`);
    throw error;
  } finally {
    await stack.stop();
  }
  await rm(folder, { recursive: true, force: true });
}

async function smoke(demo: Demo, stack: Stack): Promise<void> {
  const topic = `logfleet-smoke-${process.pid}`;
  const file = join(demo.logs, 'smoke.log');
  await demo.apply({ name: 'smoke', paths: [join(demo.logs, '*.log')], topic, start: 'beginning' });
  demo.write(file, SMOKE_LINES * 2, SMOKE_LINES);
  const startMs = systemClock.monotonicMs();
  for (;;) {
    const written = (await readFile(file, 'latin1').catch(() => '')).split('\n').length - 1;
    const { health, entries } = await demo.agent();
    if (written === SMOKE_LINES && Number(health?.delivered_lines ?? 0) >= SMOKE_LINES) break;
    if (systemClock.monotonicMs() - startMs > SMOKE_TIMEOUT_MS) {
      const reason = health?.error || entries?.find(({ error }) => error)?.error || 'no reason was reported';
      const lines = `${health?.delivered_lines ?? 0} of ${written} lines were delivered`;
      throw new Error(`only ${lines} in ${SMOKE_TIMEOUT_MS / 1000} s: ${reason}`);
    }
    await systemClock.sleep(100);
  }
  await verify(stack.kafka.join(','), topic, file);
}

/** Reads the topic with an independent client and compares it with the file. */
async function verify(kafka: string, topic: string, file: string): Promise<void> {
  // kafkajs sometimes sets a negative timeout, and Node.js warns about it.
  const args = ['--disable-warning=TimeoutNegativeWarning', join(root, 'test', 'smoke', 'verify-topic.ts')];
  const verifier = spawn(process.execPath, [...args, kafka, topic, file], { stdio: 'inherit' });
  const code = await new Promise((resolve) => verifier.once('exit', resolve));
  if (code !== 0) throw new Error('the lines in Kafka differ from those in the file');
}

async function live(demo: Demo, stack: Stack, linesPerSecond: number, signal: AbortSignal): Promise<void> {
  const file = join(demo.logs, 'app.log');
  await demo.apply({ name: 'demo', paths: [join(demo.logs, '*.log')], topic: 'logfleet-demo', start: 'beginning' });
  demo.write(file, linesPerSecond);
  process.stdout.write(`
A log writer appends ${linesPerSecond} lines per second to ${file}.
The agent delivers them to the topic logfleet-demo. Try, in another terminal, in this folder:

  export LOGFLEET_CONTROLLER=${demo.controller}
  bin/logfleet get entries
  bin/logfleet get agents -w
  bin/logfleet describe agent demo
  bin/logfleet pause entry demo          # then: resume
  bin/logfleet get entry demo -o yaml    # change it, then: bin/logfleet apply -f
  kcat -b ${stack.kafka[0]} -C -t logfleet-demo -o end                # if kcat is installed
  etcdctl --endpoints ${stack.etcd[0]} get --prefix /logfleet-demo-    # if etcdctl is installed

The logs of the processes are in ${demo.folder}. Ctrl-C stops everything.

`);
  // Ends the live line before other output.
  signal.addEventListener('abort', () => process.stdout.write('\n'), { once: true });
  while (!signal.aborted) {
    try {
      const { health, entries } = await demo.agent();
      const error = entries?.find((entry) => entry.error)?.error;
      const rate = `${Math.round(health?.lines_per_second ?? 0)} lines/s, ${kib(health?.bytes_per_second)}/s`;
      const line = `${rate}, lag ${kib(health?.lag_bytes)}, ${health?.delivered_lines ?? 0} lines delivered${error ? `; ${error}` : ''}`;
      process.stdout.write(process.stdout.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
    } catch (error) {
      // Ctrl-C also reaches the command that is running.
      if (!signal.aborted) say(errorText(error));
    }
    const pause = systemClock.sleep(process.stdout.isTTY ? LIVE_INTERVAL_MS : LOGGED_INTERVAL_MS, signal);
    await Promise.race([pause, stack.died]).catch((error: unknown) => {
      if (!isAbort(error, signal)) throw error;
    });
  }
}

function kib(bytes: string | number | undefined): string {
  return `${(Number(bytes ?? 0) / 1024).toFixed(1)} KiB`;
}

try {
  const options = readOptions();
  const logger = createLogger({ level: 'info', format: 'text' });
  if (options) process.exitCode = await runUntilSignal(logger, (signal) => runDemo(options, signal));
  else process.stdout.write(HELP);
} catch (error) {
  say(`npm start: ${errorText(error)}; see npm start -- --help`);
  process.exitCode = 2;
}
