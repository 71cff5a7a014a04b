import { hostname } from 'node:os';
import type { Clock } from '../runtime/clock.ts';
import { FileChanges } from '../runtime/file-changes.ts';
import { createLifecycle } from '../runtime/lifecycle.ts';
import { LiveSecrets } from '../runtime/live-secrets.ts';
import type { Logger } from '../runtime/logger.ts';
import { AlertRepository } from './alerts/alert-repository.ts';
import type { ControllerConfig } from './config.ts';
import { createAlerter, ruleSettings } from './create-alerter.ts';
import { createFleet } from './create-fleet.ts';
import { createFleetService } from './create-fleet-service.ts';
import { createRollouts } from './create-rollouts.ts';
import { Assignments } from './desired/assignments.ts';
import { DesiredSets } from './desired/desired-sets.ts';
import { ChangeFeed } from './entries/change-feed.ts';
import { DeletedHistories } from './entries/deleted-histories.ts';
import { EntryHistory } from './entries/entry-history.ts';
import { EntryRepository } from './entries/entry-repository.ts';
import { EntryView } from './entries/entry-view.ts';
import { RolloutRepository } from './entries/rollout-repository.ts';
import { Election } from './etcd/election.ts';
import { EtcdClient } from './etcd/etcd-client.ts';
import { EtcdMirror } from './etcd/etcd-mirror.ts';
import { Keyspace } from './etcd/keyspace.ts';
import { FleetSums } from './fleet/entry-sums.ts';
import { Peers } from './fleet/peers.ts';
import { fleetMetrics, type MetricSources } from './metrics/fleet-metrics.ts';
import { serveMetrics } from './metrics/metrics-server.ts';
import { AgentService } from './rpc/agent-service.ts';
import { EntryService } from './rpc/entry-service.ts';
import { HistoryCalls } from './rpc/history-calls.ts';
import { RpcServer } from './rpc/rpc-server.ts';
import { SettingsRepository } from './settings/settings-repository.ts';
import { KafkaTopics } from './topics/kafka-topics.ts';

const HEALTH_INTERVAL_MS = 100;

/** What the parts of a controller have in common: etcd, and the view of it. */
interface Store {
  client: EtcdClient;
  mirror: EtcdMirror;
  keys: Keyspace;
  entries: EntryView;
  rollouts: RolloutRepository;
}

/** One controller: creates its parts, runs them, and ends them in order. */
export class Controller {
  readonly #config: ControllerConfig;
  readonly #tools: { clock: Clock; logger: Logger };
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #fileChanges: FileChanges;
  readonly #secrets: LiveSecrets;

  constructor(config: ControllerConfig, tools: { clock: Clock; logger: Logger }) {
    this.#config = config;
    this.#tools = tools;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
    this.#fileChanges = new FileChanges(tools);
    this.#secrets = new LiveSecrets(this.#fileChanges, tools);
  }

  /** Serves until `signal` is aborted, then drains. */
  async run(signal: AbortSignal): Promise<void> {
    const config = this.#config;
    const tools = this.#tools;
    const lifecycle = createLifecycle((state) => this.#logger.debug('controller state', { state }));
    const store = this.#createStore();
    const { client, mirror, keys, entries, rollouts } = store;
    const assignments = new Assignments(mirror, entries, rollouts);
    const desired = new DesiredSets(assignments);
    const settings = new SettingsRepository(client, mirror, keys.settings, this.#logger);
    const fleetOptions = { controllerId: config.id, leaseTtlMs: config.lease_ttl };
    const fleet = createFleet({ client, mirror, keys, desired, settings }, fleetOptions, tools);
    const { agents, connected, lease } = fleet;
    const peers = new Peers(fleet.controllers, this.#secrets.tls(config.peer_tls, 'peer_tls'));
    const topics = this.#createTopics();
    const alerts = new AlertRepository(client, mirror, keys.alerts, this.#logger);
    const alerter = createAlerter(config, { alerts, agents, peers, secrets: this.#secrets }, tools);
    const { repository, history, historyCalls } = this.#createHistory(store);
    const rolloutParts = { agents, peers, assignments, entries, rollouts, repository, entryKeys: keys.entries };
    const { driver, service: rolloutService } = createRollouts(rolloutParts, tools);
    const sums = new FleetSums(agents, desired, this.#clock);
    const { forgetter } = fleet;
    const alertRules = ruleSettings(config);
    const services = {
      entries: new EntryService({ entries, repository, history, historyCalls, topics }),
      agents: new AgentService(connected, tools),
      fleet: createFleetService({ entries, settings, agents, peers, sums, forgetter, alerts, alertRules }, tools),
      rollouts: rolloutService,
    };
    const server = new RpcServer(services, this.#logger);
    const address = await this.#listen(server);
    const metrics = await this.#serveMetrics({ agents, sums, alerts, alerter: alerter.counts, lease });
    lifecycle.enter('RUNNING');
    const background = new AbortController();
    const running = [
      this.#fileChanges.run(background.signal),
      mirror.run(background.signal),
      lease.run(config.advertise ?? reachableAddress(address), background.signal),
      fleet.rebalancer.run(() => [...connected.sessions()], background.signal),
      forgetter.run(config.forget_agents_after, background.signal),
      topics.run(() => wantedTopics(entries, config.topics.audit), background.signal),
      alerter.run(this.#createElection(store, 'alerts'), background.signal),
      driver.run(this.#createElection(store, 'rollouts'), background.signal),
      this.#reportHealth(server, () => mirror.revision > 0n && lease.isHeld, signal),
    ];
    entries.onChange(() => topics.check());
    this.#logger.info('listening', { address, controller: config.id, etcd: config.etcd.endpoints });
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    lifecycle.enter('DRAINING');
    await server.drain();
    background.abort();
    await Promise.all(running);
    await metrics?.close();
    peers.close();
    client.close();
    lifecycle.enter('STOPPED');
    this.#logger.info('controller stopped');
  }

  #createStore(): Store {
    const client = new EtcdClient(this.#etcdSettings());
    const keys = new Keyspace(this.#config.etcd.prefix);
    const mirror = new EtcdMirror(client, keys.current, this.#tools);
    return {
      ...{ client, keys, mirror },
      entries: new EntryView(mirror, keys.entries, this.#logger),
      rollouts: new RolloutRepository(client, mirror, keys.rollouts, this.#logger),
    };
  }

  #createHistory({ client, keys, entries, rollouts }: Store) {
    const { versions, deleted_entries: deletedMax } = this.#config.history;
    const deleted = new DeletedHistories(client, keys, deletedMax);
    const history = new EntryHistory(client, keys);
    const views = { entries, rollouts };
    const repository = new EntryRepository({ client, keys }, views, { deleted, versions }, this.#tools);
    const feed = new ChangeFeed({ client, keys, deleted }, this.#tools);
    return { repository, history, historyCalls: new HistoryCalls(history, feed) };
  }

  #createElection({ client, mirror, keys }: Store, task: string): Election {
    const { id: candidate, lease_ttl: ttlMs } = this.#config;
    return new Election(client, mirror, { key: keys.elections.key(task), candidate, ttlMs }, this.#tools);
  }

  #createTopics(): KafkaTopics {
    const { kafka, topics } = this.#config;
    const settings = {
      brokers: kafka.brokers,
      tls: this.#secrets.tls(kafka.tls, 'kafka.tls'),
      sasl: this.#secrets.sasl(kafka.sasl, 'kafka.sasl'),
      partitions: topics.partitions,
      replicationFactor: topics.replication_factor,
      unlimitedRetention: topics.audit,
    };
    return new KafkaTopics(settings, this.#tools);
  }

  async #serveMetrics(sources: MetricSources): Promise<{ close(): Promise<void> } | undefined> {
    const { metrics_listen: address } = this.#config;
    return address === undefined ? undefined : serveMetrics(address, () => fleetMetrics(sources), this.#logger);
  }

  async #listen(server: RpcServer): Promise<string> {
    const { listen } = this.#config;
    const host = listen.slice(0, listen.lastIndexOf(':'));
    const port = await server.listen(listen, this.#secrets.serverTls(this.#config.tls, 'tls'));
    return `${host}:${port}`;
  }

  async #reportHealth(server: RpcServer, checkHealth: () => boolean, signal: AbortSignal): Promise<void> {
    let previous: boolean | undefined;
    while (!signal.aborted) {
      const isHealthy = checkHealth();
      if (isHealthy !== previous) server.setHealthy(isHealthy);
      previous = isHealthy;
      await this.#clock.sleep(HEALTH_INTERVAL_MS, signal).catch(() => {});
    }
  }

  #etcdSettings() {
    const { endpoints, tls, username, password, password_file: file } = this.#config.etcd;
    const secret = this.#secrets.line(file, 'etcd.password_file', password ?? '');
    const user = username === undefined ? undefined : { username, password: secret };
    return { endpoints, tls: this.#secrets.tls(tls, 'etcd.tls'), user };
  }
}

/** Other hosts cannot connect to "any address": they use the host name. */
function reachableAddress(address: string): string {
  return address.replace(/^(0\.0\.0\.0|\[::\]):/, `${hostname()}:`);
}

/** The topics of all entries, and the audit topic if there is an entry to audit. */
function wantedTopics(entries: EntryView, audit: string): string[] {
  const topics = entries.revision === 0n ? [] : entries.all().map(({ entry }) => entry.topic);
  return topics.length === 0 || audit === '' ? topics : [...topics, audit];
}
