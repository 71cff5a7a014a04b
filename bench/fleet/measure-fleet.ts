import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import { systemClock } from '../../runtime/clock.ts';
import { quantile } from '../measure/statistics.ts';
import { AgentProcesses } from './agent-processes.ts';
import { monotonicMs } from './agents-protocol.ts';
import { createEntries, roleOf, writesPerSecond } from './entries.ts';
import { type BenchController, FleetFixture } from './fleet-fixture.ts';

const REPORT_INTERVAL_MS = 10_000;
/** The same as the link's, for agents that reconnect. */
const SPREAD_MS = 5_000;
const AGENT_PROCESSES = 2;
const TIMEOUT_MS = 120_000;
const UPDATE_PAUSE_MS = 2_000;
const UPDATED = 'entries/service-000';
const LOOK_INTERVAL_MS = 100;
const LIST_PAUSE_MS = 20;

export interface Distribution {
  p50: number;
  p99: number;
  max: number;
}

export interface Steady {
  seconds: number;
  /** In cores. */
  controllerCores: number;
  controllerRssMib: number;
  etcdCores: number;
  etcdRssMib: number;
  loadCores: number;
}

/** The figures of one fleet on one controller. */
export interface FleetFigures {
  agents: number;
  connectSeconds: number;
  steady: Steady;
  /** From before the call until each agent reports that it has applied the update, in ms. */
  update: Distribution;
  /** CPU seconds for one update. */
  updateCpuSeconds: { controller: number; load: number };
  /** ListAgents for one role, in ms. */
  list: Distribution;
  peakRssMib: number;
}

export interface FleetOptions {
  agents: number;
  seconds: number;
  updates: number;
  lists: number;
  say(line: string): void;
}

/** Measures what a fleet at rest uses, and how fast it responds. */
export async function measureFleet(
  options: FleetOptions,
  then?: (on: RunningFleet) => Promise<void>,
): Promise<FleetFigures> {
  await using fixture = await FleetFixture.start();
  const controller = await fixture.controller('one');
  await createEntries(controller.entries);
  const startMs = monotonicMs();
  await using agents = startAgents([controller.address], options.agents);
  const connectedMs = await agents.connected(options.agents, TIMEOUT_MS);
  options.say(`fleet: ${options.agents} agents connected in ${((connectedMs - startMs) / 1000).toFixed(1)} s`);
  // Wait for the first periodic reports.
  await systemClock.sleep(REPORT_INTERVAL_MS);
  const steady = await steadyOver(fixture, controller, agents, options.seconds);
  options.say(`fleet: steady ${JSON.stringify(steady)}`);
  const { update, cpu } = await updates(controller, agents, options.updates);
  options.say(`fleet: update ${JSON.stringify(update)}`);
  const list = await lists(controller, options.lists);
  const figures = {
    agents: options.agents,
    connectSeconds: (connectedMs - startMs) / 1000,
    ...{ steady, update, list, updateCpuSeconds: cpu, peakRssMib: controller.usage().peakRssMib },
  };
  await then?.({ fixture, controller, agents });
  return figures;
}

export interface RunningFleet {
  fixture: FleetFixture;
  controller: BenchController;
  agents: AgentProcesses;
}

function startAgents(addresses: string[], count: number): AgentProcesses {
  return new AgentProcesses(
    { addresses, count, reportIntervalMs: REPORT_INTERVAL_MS, spreadMs: SPREAD_MS },
    AGENT_PROCESSES,
  );
}

async function steadyOver(
  fixture: FleetFixture,
  controller: BenchController,
  agents: AgentProcesses,
  seconds: number,
): Promise<Steady> {
  const cpu = () => [controller.usage().cpuSeconds, fixture.etcdUsage().cpuSeconds, agents.cpuSeconds()];
  const before = cpu();
  const startMs = monotonicMs();
  await systemClock.sleep(seconds * 1000);
  const passedSeconds = (monotonicMs() - startMs) / 1000;
  const [controllerCores = 0, etcdCores = 0, loadCores = 0] = cpu().map(
    (value, index) => (value - (before[index] as number)) / passedSeconds,
  );
  const controllerRssMib = controller.usage().rssMib;
  return { seconds, controllerCores, controllerRssMib, etcdCores, etcdRssMib: fixture.etcdUsage().rssMib, loadCores };
}

/** Changes an entry that all agents have, repeatedly. */
async function updates(controller: BenchController, agents: AgentProcesses, count: number) {
  const times: number[] = [];
  const cpu = { controller: 0, load: 0 };
  for (let round = 0; round < count; round++) {
    const before = { controller: controller.usage().cpuSeconds, load: agents.cpuSeconds() };
    const startMs = monotonicMs();
    const { etag } = await controller.entries.updateEntry({
      entry: { name: UPDATED, description: `update ${round}` },
      updateMask: ['description'],
    });
    const appliedMs = await agents.applied(UPDATED, etag, TIMEOUT_MS);
    cpu.controller += (controller.usage().cpuSeconds - before.controller) / count;
    cpu.load += (agents.cpuSeconds() - before.load) / count;
    times.push(...appliedMs.map((atMs) => atMs - startMs));
    await acknowledgedByAll(controller, agents.count, etag);
    await systemClock.sleep(UPDATE_PAUSE_MS);
  }
  return { update: distribution(times), cpu };
}

/** Throws if the controller does not know what the agents have reported. */
async function acknowledgedByAll(controller: BenchController, count: number, etag: string): Promise<void> {
  const deadlineMs = monotonicMs() + TIMEOUT_MS;
  for (;;) {
    const all = await allAgents(controller);
    const applied = all.filter(({ entries }) => entries.some((one) => one.entry === UPDATED && one.etag === etag));
    if (applied.length === count) return;
    if (monotonicMs() > deadlineMs)
      throw new Error(`the controller shows ${applied.length} of ${count} acknowledgements`);
    await systemClock.sleep(LOOK_INTERVAL_MS);
  }
}

async function allAgents({ fleet }: BenchController): Promise<Agent[]> {
  const all: Agent[] = [];
  for (let pageToken = ''; ; ) {
    const { agents, nextPageToken } = await fleet.listAgents({ pageSize: 1_000, pageToken });
    all.push(...agents);
    pageToken = nextPageToken;
    if (pageToken === '') return all;
  }
}

async function lists({ fleet }: BenchController, count: number): Promise<Distribution> {
  const times: number[] = [];
  for (let call = 0; call < count; call++) {
    const startMs = monotonicMs();
    const { agents } = await fleet.listAgents({ labelSelector: `role=${roleOf(call)},env=prod` });
    if (agents.length === 0) throw new Error('no agent of this role is listed');
    times.push(monotonicMs() - startMs);
    await systemClock.sleep(LIST_PAUSE_MS);
  }
  return distribution(times);
}

/** Writes entries that no agent has, while all agents are connected. */
export function measureWrites({ controller }: RunningFleet, writes: number): Promise<number> {
  return writesPerSecond(controller.entries, writes, monotonicMs);
}

export interface Return {
  /** From the kill until no agent is shown as live. */
  goneSeconds: number;
  /** From the restart until all are connected. */
  backSeconds: number;
}

/** Kills all agents at once and starts them again. */
export async function measureReturn({ controller, agents }: RunningFleet): Promise<Return> {
  const killedMs = monotonicMs();
  await agents.kill();
  await liveAre(controller, 0);
  const goneMs = monotonicMs();
  await using again = startAgents([controller.address], agents.count);
  const backMs = await again.connected(agents.count, TIMEOUT_MS);
  await liveAre(controller, agents.count);
  return { goneSeconds: (goneMs - killedMs) / 1000, backSeconds: (backMs - goneMs) / 1000 };
}

export interface Failover {
  /** Agents on the killed controller. */
  moved: number;
  /** From the kill until all are connected to the other controller. */
  backSeconds: number;
}

/** Kills one of two controllers. */
export async function measureFailover({ fixture, controller, agents }: RunningFleet): Promise<Failover> {
  await agents.kill();
  await liveAre(controller, 0);
  const other = await fixture.controller('two');
  await using spread = startAgents([controller.address, other.address], agents.count);
  await spread.connected(agents.count, TIMEOUT_MS);
  await liveAre(other, agents.count);
  await systemClock.sleep(REPORT_INTERVAL_MS);
  const moved = await spread.connectedNow(other.address);
  const killedMs = monotonicMs();
  await other.kill();
  const backMs = await spread.connected(agents.count, TIMEOUT_MS, controller.address);
  await liveAre(controller, agents.count, controller.id);
  return { moved, backSeconds: (backMs - killedMs) / 1000 };
}

/** Waits until the controller shows this many agents as live (and as its own). */
async function liveAre(asked: BenchController, count: number, id?: string): Promise<void> {
  const deadlineMs = monotonicMs() + TIMEOUT_MS;
  for (;;) {
    const all = await allAgents(asked);
    const live = all.filter(
      ({ liveness, controller }) => liveness === 'LIVENESS_LIVE' && (id ?? controller) === controller,
    );
    if (live.length === count) return;
    if (monotonicMs() > deadlineMs) throw new Error(`${live.length} agents are live, not ${count}`);
    await systemClock.sleep(LOOK_INTERVAL_MS);
  }
}

function distribution(times: number[]): Distribution {
  const sorted = times.toSorted((a, b) => a - b);
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), max: sorted.at(-1) ?? Number.NaN };
}
