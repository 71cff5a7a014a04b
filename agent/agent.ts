import { hostname } from 'node:os';
import type { Clock } from '../runtime/clock.ts';
import { errorText } from '../runtime/errors.ts';
import { FileChanges } from '../runtime/file-changes.ts';
import { createLifecycle } from '../runtime/lifecycle.ts';
import { LiveSecrets } from '../runtime/live-secrets.ts';
import type { Logger } from '../runtime/logger.ts';
import type { AgentReport } from './collect/collector.ts';
import { waitUntilComplete } from './collect/completion.ts';
import { FileCollector } from './collect/file-collector.ts';
import { FileBudget, openFilesMax } from './collect/files/file-budget.ts';
import { CrashRecovery } from './collect/sources/crash-recovery.ts';
import type { AgentConfig } from './config/agent-config.ts';
import { agentIdentity } from './config/identity.ts';
import { WorkPool } from './encode/work-pool.ts';
import { EntriesFile } from './entries-file.ts';
import { HealthFile } from './health-file.ts';
import { DesiredState } from './link/desired-state.ts';
import { SnapshotCache } from './link/snapshot-cache.ts';
import { StoredSettings } from './link/stored-settings.ts';
import { AuditLog } from './produce/audit-log.ts';
import { DeliveryRouter } from './produce/delivery-router.ts';
import { KafkaCluster } from './produce/kafka-cluster.ts';
import { type AgentState, openAgentState } from './state/agent-state.ts';
import type { CheckpointStore } from './state/checkpoint-store.ts';
import { StateError } from './state/state-database.ts';

/** The most unreadable files that `--once` logs one by one. */
const UNREAD_LOGGED_MAX = 5;
const STATE_RETRY_MS = 1_000;

/** One agent: the collector, and where its desired state comes from. */
export class Agent {
  readonly #config: AgentConfig;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #fileChanges: FileChanges;
  readonly #secrets: LiveSecrets;

  constructor(config: AgentConfig, tools: { clock: Clock; logger: Logger }) {
    this.#config = config;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
    this.#fileChanges = new FileChanges(tools);
    this.#secrets = new LiveSecrets(this.#fileChanges, tools);
  }

  /**
   * Collects until `signal` is aborted or, with `once`, until all lines are acknowledged. Then
   * drains.
   */
  async run(signal: AbortSignal): Promise<void> {
    const lifecycle = createLifecycle((state) => this.#logger.debug('agent', { state }));
    const { entries: path } = this.#config;
    const entries = path === undefined ? undefined : await EntriesFile.open(path, this.#logger);
    const state = await this.#openState(signal);
    if (!state) return;
    const collector = this.#createCollector(state);
    lifecycle.enter('RUNNING');
    this.#logger.info('agent started', { agent: this.#config.id, kafka: this.#config.kafka.brokers });
    collector.start();
    try {
      if (entries) {
        collector.apply(entries.entries);
        await (this.#config.once ? this.#once(collector, signal) : this.#alone(collector, entries, signal));
      } else {
        await this.#inFleet(collector, state.store, signal);
      }
    } finally {
      lifecycle.enter('DRAINING');
      await collector.settle();
      await collector.close();
      lifecycle.enter('STOPPED');
      this.#logger.info('agent stopped');
    }
  }

  async #alone(collector: FileCollector, entries: EntriesFile, signal: AbortSignal): Promise<void> {
    const { state_dir: stateDir, report_interval: reportIntervalMs } = this.#config;
    const tools = { clock: this.#clock, logger: this.#logger };
    const health = new HealthFile(stateDir, { entries, collector }, tools);
    entries.onChange(() => {
      collector.apply(entries.entries);
      void health.write();
    });
    this.#fileChanges.add(entries);
    health.start(reportIntervalMs);
    await this.#fileChanges.run(signal);
    await health.close();
  }

  async #once(collector: FileCollector, signal: AbortSignal): Promise<void> {
    for (const { entry } of collector.entries) {
      const { name, start } = entry;
      if (start !== 'beginning')
        this.#logger.info('--once reads new files from the beginning and ignores start', { entry: name, start });
    }
    await waitUntilComplete(collector, { clock: this.#clock, logger: this.#logger }, signal).catch((error: unknown) => {
      throw signal.aborted
        ? new Error('stopped before all lines were acknowledged; the next start continues from here')
        : error;
    });
    this.#logOutcome(collector.report());
  }

  /** Logs what `--once` did. Throws if files could not be found or read. */
  #logOutcome({ entries, files, health }: AgentReport): void {
    for (const { entry, files: matched, state } of entries) {
      if (matched === 0) this.#logger.warn('no file matches', { entry });
      if (state === 'STATE_PAUSED') this.#logger.warn('the entry was not read because it is paused', { entry });
    }
    const unread = files.filter(({ lastError }) => lastError !== '');
    for (const { path, lastError } of unread.slice(0, UNREAD_LOGGED_MAX))
      this.#logger.error('a file could not be read', { path, error: lastError });
    const failed = entries.find(({ error }) => error !== '');
    if (failed) throw new Error(`${failed.entry}: ${failed.error}`);
    if (unread.length > 0) throw new Error(`${unread.length} of ${files.length} files could not be read`);
    const { deliveredLines: lines, deliveredBytes: bytes } = health;
    this.#logger.info('all lines are acknowledged', { lines, bytes });
  }

  async #inFleet(collector: FileCollector, store: CheckpointStore, signal: AbortSignal): Promise<void> {
    const { controller, report_interval: reportIntervalMs, state_dir: stateDir } = this.#config;
    const desired = new DesiredState();
    const cache = new SnapshotCache(stateDir);
    const settings = new StoredSettings(stateDir, collector.controls, this.#logger);
    await settings.restore();
    const cached = await cache.load().catch((error: unknown) => this.#logger.error(errorText(error)));
    if (cached) {
      desired.restore(cached);
      collector.apply(cached);
      this.#logger.info('collecting by the stored desired state until a controller sends another', {
        count: cached.length,
      });
    }
    // gRPC costs memory, so only agents of a fleet load it.
    const { ControllerLink } = await import('./link/controller-link.ts');
    const { createRequestHandlers } = await import('./ask/request-handlers.ts');
    const identity = agentIdentity(this.#config);
    const tls = this.#secrets.tls(controller.tls, 'controller.tls');
    const options = { addresses: controller.addresses, tls, identity, reportIntervalMs };
    const tools = { clock: this.#clock, logger: this.#logger, collector };
    const handlers = createRequestHandlers(this.#config, { ...tools, store });
    const link = new ControllerLink(options, { ...tools, desired, cache, handlers, settings });
    const linked = link.run();
    const watching = this.#fileChanges.run(signal);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await watching;
    await collector.settle();
    link.leave();
    await linked;
  }

  /**
   * Opens the state. If the disk is full, it waits for space; undefined if `signal` is aborted
   * meanwhile. Throws StateError.
   */
  async #openState(signal: AbortSignal): Promise<AgentState | undefined> {
    const {
      state_dir: stateDir,
      durability,
      state_failure: stateFailure,
      audit_topic: auditTopic,
      once,
    } = this.#config;
    const options = { stateDir, durability, stateFailure, audit: auditTopic !== '' };
    for (let wasLogged = false; !signal.aborted; wasLogged = true) {
      try {
        return openAgentState(options, { clock: this.#clock, logger: this.#logger });
      } catch (error) {
        if (!(error instanceof StateError) || error.code !== 'FULL' || once) throw error;
        const fields = { file: stateDir, error: errorText(error), remedy: 'free space on the disk of state_dir' };
        if (!wasLogged)
          this.#logger.error("cannot open the agent's state; nothing is collected until it opens", fields);
        await this.#clock.sleep(STATE_RETRY_MS, signal).catch(() => {});
      }
    }
    return undefined;
  }

  #createCollector({ intents, ...stored }: AgentState): FileCollector {
    const { kafka, id, once, audit_topic: auditTopic } = this.#config;
    const clock = this.#clock;
    const logger = this.#logger;
    const cluster = new KafkaCluster({
      clientId: `logfleet-agent-${id}`,
      brokers: kafka.brokers,
      tls: this.#secrets.tls(kafka.tls, 'kafka.tls'),
      sasl: this.#secrets.sasl(kafka.sasl, 'kafka.sasl'),
      // In a fleet the controller creates topics, with its configured number of partitions.
      createTopics: this.#config.entries !== undefined,
    });
    const onFailureChange = () => collector.notifyChange();
    const pool = new WorkPool(this.#config.buffer_memory);
    const router: DeliveryRouter = new DeliveryRouter(cluster, intents, { clock, logger, pool }, onFailureChange);
    const target = { topic: auditTopic, agent: id, host: hostname() };
    const auditTools = { clock, logger, onFailureChange };
    const audit = auditTopic === '' ? undefined : new AuditLog(router, stored.facts, target, auditTools);
    const options = { scanIntervalMs: this.#config.scan_interval, drainTimeoutMs: this.#config.drain_timeout };
    const budget = new FileBudget(openFilesMax(), this.#config.pinned_bytes_max);
    const recovery = new CrashRecovery(intents.openIntents(), { ...stored, pool, budget, logger });
    const collector: FileCollector = new FileCollector(options, {
      clock,
      logger,
      ...stored,
      recovery,
      audit,
      budget,
      router,
      host: hostname(),
      once,
    });
    router.restore(recovery.batches);
    return collector;
  }
}
