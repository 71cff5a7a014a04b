import { cp, mkdir, rm } from 'node:fs/promises';
import { etagRevision } from '../../proto/rules/etag.ts';
import { freePort } from '../../stack/free-port.ts';
import { acknowledgements } from '../chaos/acknowledged.ts';
import type { FileReport } from '../chaos/collector.ts';
import { FileWriter, type Rotation } from '../chaos/file-writer.ts';
import { Lines } from '../chaos/lines.ts';
import { newPrefix } from '../support/controllers.ts';
import type { TestProcess } from '../support/process.ts';
import type { TempDir } from '../support/temp-dir.ts';
import { type ControllerOf, startAgentOf, startControllerOf } from './checkout.ts';
import { openIntents } from './state-dump.ts';

export const AGENTS = ['web-1', 'web-2', 'web-3'] as const;
export type AgentId = (typeof AGENTS)[number];

/** The ways to rotate that lose nothing. Each agent has a writer for each. */
const ROTATIONS: readonly Rotation[] = ['rename', 'rename-out', 'copytruncate', 'delete'];
const LINES_PER_SECOND = 150;
const LINES_PER_FILE = 600;

export interface Servers {
  etcd: readonly string[];
  kafka: readonly string[];
  topic: string;
  auditTopic: string;
}

/**
 * A controller and agents, each of one checkout or another, and writers that know what they wrote.
 */
export class FleetUnderLoad {
  readonly lines: Lines;
  readonly #dir: TempDir;
  readonly #servers: Servers;
  readonly #prefix = newPrefix();
  readonly #agents = new Map<AgentId, TestProcess>();
  readonly #port: number;
  readonly #writers: FileWriter[];
  #controller: ControllerOf | undefined;

  private constructor(dir: TempDir, servers: Servers, seed: number, port: number) {
    this.#dir = dir;
    this.#servers = servers;
    this.#port = port;
    this.lines = new Lines(seed, 'wild');
    const acknowledged = acknowledgements({ files: () => this.files() });
    this.#writers = AGENTS.flatMap((agent) =>
      ROTATIONS.map(
        (rotation) =>
          new FileWriter({
            ...{ seed, rotation, acknowledged, lines: this.lines },
            name: `${agent}-${rotation}`,
            folder: this.#logs(agent),
            archive: dir.at('archive'),
            linesPerSecond: LINES_PER_SECOND,
            linesPerLife: LINES_PER_FILE,
          }),
      ),
    );
  }

  static async create(dir: TempDir, servers: Servers, seed: number): Promise<FleetUnderLoad> {
    for (const agent of AGENTS) await mkdir(dir.at('logs', agent), { recursive: true });
    return new FleetUnderLoad(dir, servers, seed, await freePort());
  }

  get writers(): readonly FileWriter[] {
    return this.#writers;
  }

  async startController(checkout: string): Promise<void> {
    const { etcd, kafka, auditTopic } = this.#servers;
    this.#controller = await startControllerOf(
      checkout,
      [
        ...['--etcd', etcd.join(), '--etcd.prefix', this.#prefix, '--kafka', kafka.join()],
        ...['--topics.audit', auditTopic, '--lease-ttl', '2s'],
      ],
      this.#port,
    );
  }

  /** Creates an entry for each agent, whose files are in a folder of their own. */
  async createEntries(): Promise<void> {
    const { topic } = this.#servers;
    for (const agent of AGENTS) {
      const entry = { topic, paths: [`${this.#logs(agent)}/*.log*`], start: 'beginning', selector: `agent=${agent}` };
      await this.#api.call('EntryService', 'CreateEntry', { entry_id: agent, entry });
    }
  }

  startAgent(id: AgentId, checkout: string): void {
    const { kafka, auditTopic } = this.#servers;
    const agent = startAgentOf(checkout, [
      ...['--id', id, '--controller', `127.0.0.1:${this.#port}`, '--kafka', kafka.join()],
      ...['--state', this.#state(id), '--audit-topic', auditTopic],
    ]);
    this.#agents.set(id, agent);
  }

  /** Kills an agent; returns how many of its batches may or may not be in Kafka. */
  async killAgent(id: AgentId): Promise<number> {
    await this.#agents.get(id)?.kill('SIGKILL');
    // Opening a database changes its files: this looks at a copy.
    const copy = this.#dir.at('copy');
    await cp(this.#state(id), copy, { recursive: true });
    const open = openIntents(copy).length;
    await rm(copy, { recursive: true });
    return open;
  }

  async killController(): Promise<void> {
    await this.#controller?.process.kill('SIGKILL');
    this.#controller?.api[Symbol.dispose]();
  }

  /** Stops the agents in good order. */
  async stopAgents(): Promise<void> {
    for (const agent of this.#agents.values()) await agent.kill('SIGTERM');
  }

  /** What the agents report of their files; nothing while the controller is down. */
  async files(): Promise<FileReport[]> {
    const reports = AGENTS.map(async (id) => {
      const { files } = await this.#api.call('FleetService', 'GetAgent', { name: `agents/${id}` });
      return files.map(({ path, generation, position, size }: Record<string, string>) => ({
        ...{ path, generation },
        position: Number(position),
        size: Number(size),
      }));
    });
    return Promise.all(reports).then(
      (all) => all.flat(),
      () => [],
    );
  }

  /** How many bytes the agents have not delivered yet, by their own reports. */
  async lagBytes(): Promise<number> {
    return (await this.files()).reduce((sum, { size, position }) => sum + size - position, 0);
  }

  /** The entries as the API shows them, with the revisions of their etags. */
  async entries(): Promise<unknown> {
    const { entries } = await this.#api.call('EntryService', 'ListEntries', {});
    return entries.map((entry: { etag: string }) => ({ ...entry, etag: etagRevision(entry.etag) }));
  }

  async write(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.run(signal)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents.values()) await agent.kill('SIGKILL');
    await this.killController();
  }

  get #api() {
    if (!this.#controller) throw new Error('no controller runs');
    return this.#controller.api;
  }

  #logs(agent: AgentId): string {
    return this.#dir.at('logs', agent);
  }

  #state(agent: AgentId): string {
    return this.#dir.at('state', agent);
  }
}
