import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { systemClock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import { serversFromEnv, startStack } from '../../stack/start-stack.ts';
import type { Fact } from '../chaos/facts.ts';
import { Oracle } from '../chaos/oracle.ts';
import { type Verdict, verdictText } from '../chaos/verdict.ts';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTopic, readTopic } from '../support/topics.ts';
import { HERE } from './checkout.ts';
import { AGENTS, FleetUnderLoad, type Servers } from './fleet-under-load.ts';
import { checkOut } from './previous-checkout.ts';

const HELP = `npm run upgrade -- [--from COMMIT] [--seconds N] [--seed N]

Starts a controller and three agents of an older commit on real etcd and Kafka, with writers that
rotate their files. Then it replaces them by this checkout's, one after the other, each killed with
SIGKILL in the middle of its work. Proves from the topic that every line is there exactly once.

  --from COMMIT  the commit to upgrade from (default: d447749); the history must have it
  --seconds N    how long each of the four stages lasts (default: 15)
  --seed N       what the writers write (default: 1)

ETCD and KAFKA in the environment name servers of your own.
`;

const PARTITIONS = 6;
const SETTLE_TIMEOUT_MS = 120_000;
const DOWN_MS = 1_000;

const startMs = systemClock.monotonicMs();
const say = (line: string) =>
  process.stderr.write(`[${((systemClock.monotonicMs() - startMs) / 1000).toFixed(1).padStart(6)}] ${line}\n`);

interface Options {
  from: string;
  stageMs: number;
  seed: number;
}

async function main({ from, stageMs, seed }: Options): Promise<Verdict> {
  await using dir = await tempDir('upgrade');
  using previous = checkOut(from, dir.at('previous'));
  say(`${from} is checked out with its packages`);
  const stack = await startStack({ dataDir: dir.at('servers'), ...serversFromEnv(process.env) });
  try {
    const topic = await createTopic(stack.kafka, PARTITIONS);
    const auditTopic = await createTopic(stack.kafka, 1);
    const servers = { etcd: stack.etcd, kafka: stack.kafka, topic, auditTopic };
    await using fleet = await FleetUnderLoad.create(dir, servers, seed);
    const stopping = new AbortController();
    await fleet.startController(previous.path);
    await fleet.createEntries();
    const upgrading = upgrade(fleet, previous.path, stageMs).finally(() => stopping.abort());
    await Promise.all([upgrading, fleet.write(stopping.signal)]);
    return await settle(fleet, servers);
  } finally {
    await stack.stop();
  }
}

/** All old; a new agent with the old controller; the new controller with an old agent; all new. */
async function upgrade(fleet: FleetUnderLoad, previous: string, stageMs: number): Promise<void> {
  const stage = async (text: string) => {
    say(text);
    await systemClock.sleep(stageMs);
    say(`${await fleet.lagBytes()} bytes are not acknowledged yet`);
  };
  for (const agent of AGENTS) fleet.startAgent(agent, previous);
  await stage('stage 1: the controller and all agents are old');

  const open1 = await fleet.killAgent('web-1');
  await systemClock.sleep(DOWN_MS);
  fleet.startAgent('web-1', HERE);
  await stage(`stage 2: web-1 is new, killed with ${open1} open batches`);

  const before = await fleet.entries();
  const [open2] = await Promise.all([fleet.killAgent('web-2'), fleet.killController()]);
  await systemClock.sleep(DOWN_MS);
  await fleet.startController(HERE);
  assert.deepEqual(await fleet.entries(), before);
  fleet.startAgent('web-2', HERE);
  await stage(`stage 3: the controller and web-2 are new, killed together with ${open2} open batches`);

  const open3 = await fleet.killAgent('web-3');
  await systemClock.sleep(DOWN_MS);
  fleet.startAgent('web-3', HERE);
  await stage(`stage 4: web-3 is new, killed with ${open3} open batches`);
}

/**
 * Waits until nothing is missing, stops the agents, and compares the topic with what was written.
 */
async function settle(fleet: FleetUnderLoad, { kafka, topic, auditTopic }: Servers): Promise<Verdict> {
  const written = fleet.writers.flatMap(({ lives }) => lives);
  await eventually(async () => assert.equal(await fleet.lagBytes(), 0), { timeoutMs: SETTLE_TIMEOUT_MS }).catch(() =>
    say('the agents still report a lag'),
  );
  await fleet.stopAgents();
  const oracle = new Oracle(fleet.lines);
  for (const record of await readTopic(kafka, topic)) oracle.observe(record);
  const facts = (await readTopic(kafka, auditTopic)).map(({ value }) => JSON.parse(value.toString()) as Fact);
  return oracle.verdict(written, facts);
}

function readOptions(args: string[]): Options | undefined {
  const options = {
    from: { type: 'string', default: 'd447749' },
    seconds: { type: 'string', default: '15' },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  } as const;
  const { values } = parseArgs({ args, options });
  if (values.help) return undefined;
  const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
  if (!(seconds > 0) || !Number.isInteger(seed)) throw new Error(`--seconds and --seed want numbers; see --help`);
  return { from: values.from, stageMs: seconds * 1_000, seed };
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options) {
    const verdict = await main(options);
    process.stdout.write(verdictText(verdict));
    process.exitCode = verdict.ok ? 0 : 1;
  } else process.stdout.write(HELP);
} catch (error) {
  process.stderr.write(`upgrade: ${errorText(error)}\n`);
  process.exitCode = 2;
}
