import { hostname } from 'node:os';
import type { Clock } from '../runtime/clock.ts';
import { FileChanges } from '../runtime/file-changes.ts';
import { createLifecycle } from '../runtime/lifecycle.ts';
import { LiveSecrets } from '../runtime/live-secrets.ts';
import type { Logger } from '../runtime/logger.ts';
import { AlertBook } from './alerts/alert-book.ts';
import type { ControllerConfig } from './config.ts';
import { createAlerter, ruleSettings } from './create-alerter.ts';
import { createFleetService } from './create-fleet-service.ts';
import { createRollouts } from './create-rollouts.ts';
import { Assignments } from './desired/assignments.ts';
import { ChangeFeed } from './entries/change-feed.ts';
import { DeletedHistories } from './entries/deleted-histories.ts';
import { EntryHistory } from './entries/entry-history.ts';
import { EntryStore } from './entries/entry-store.ts';
import { EntryWriter } from './entries/entry-writer.ts';
import { RolloutView } from './entries/rollout-view.ts';
import { Election } from './etcd/election.ts';
import { EtcdClient } from './etcd/etcd-client.ts';
import { EtcdMirror } from './etcd/etcd-mirror.ts';
import { Keyspace } from './etcd/keyspace.ts';
import { FleetSums } from './fleet/entry-sums.ts';
import { Fleet } from './fleet/fleet.ts';
import { forgetAgent, forgetAgents } from './fleet/forgetting.ts';
import { Membership } from './fleet/membership.ts';
import { Peers } from './fleet/peers.ts';
import { fleetMetrics, type MetricSources } from './metrics/fleet-metrics.ts';
import { serveMetrics } from './metrics/metrics-server.ts';
import { AgentService } from './rpc/agent-service.ts';
import { EntryChanges } from './rpc/entry-changes.ts';
import { EntryService } from './rpc/entry-service.ts';
import { EntryWriting } from './rpc/entry-writing.ts';
import { RpcServer } from './rpc/rpc-server.ts';
import { TopicFeed } from './rpc/topic-feed.ts';
import { SettingsStore } from './settings/settings-store.ts';
import { KafkaTopics } from './topics/kafka-topics.ts';

const HEALTH_INTERVAL_MS = 100;

/** One controller: its view of etcd, its agents' streams, and the API. */
export class Controller {
  readonly #config: ControllerConfig;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #fileChanges: FileChanges;
  readonly #secrets: LiveSecrets;

  constructor(config: ControllerConfig, tools: { clock: Clock; logger: Logger }) {
    this.#config = config;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
    this.#fileChanges = new FileChanges(tools);
    this.#secrets = new LiveSecrets(this.#fileChanges, tools);
  }

  /** Serves until `signal` is aborted, then drains. */
  async run(signal: AbortSignal): Promise<void> {
    const tools = { clock: this.#clock, logger: this.#logger };
    const lifecycle = createLifecycle((state) => this.#logger.debug('controller', { state }));
    const { etcd, id: controllerId, lease_ttl: leaseTtlMs } = this.#config;
    const client = new EtcdClient(this.#etcdSettings());
    const mirror = new EtcdMirror(client, etcd.prefix, tools);
    const store = new EntryStore(mirror, etcd.prefix, this.#logger);
    const membership = new Membership(client, mirror, { controllerId, prefix: etcd.prefix, leaseTtlMs }, tools);
    const rollouts = new RolloutView(mirror, etcd.prefix, this.#logger);
    const assignments = new Assignments(mirror, store, rollouts);
    const settings = new SettingsStore(client, mirror, etcd.prefix, this.#logger);
    const fleet = new Fleet(membership, { assignments, settings }, tools);
    const feed = new TopicFeed();
    const topics = this.#createTopics(store, feed);
    const peers = new Peers(membership, this.#secrets.tls(this.#config.peer_tls, 'peer_tls'));
    const book = new AlertBook(client, mirror, etcd.prefix, this.#logger);
    const alerter = createAlerter(this.#config, { book, fleet, peers, secrets: this.#secrets }, tools);
    const history = this.#history(client, store, rollouts);
    const rolloutParts = { client, ...history, store, rollouts, assignments, fleet, peers };
    const { mover, service } = createRollouts(rolloutParts, tools);
    const sums = new FleetSums(fleet, this.#clock);
    const forget = async (agentId: string) => mirror.reaches(await forgetAgent(membership, client, agentId));
    const alerts = { book, rules: ruleSettings(this.#config) };
    const parts = { store, settings, fleet, peers, sums, forget, alerts };
    const services = {
      rollouts: service,
      entries: new EntryService(store, history, topics, feed),
      agents: new AgentService(fleet, tools),
      fleet: createFleetService(parts, tools),
    };
    const server = new RpcServer(services, this.#logger);
    const address = await this.#listen(server);
    const joined = () => membership.joined;
    const metrics = await this.#serveMetrics({ fleet, sums, book, alerter: alerter.counts, joined });
    lifecycle.enter('RUNNING');
    const background = new AbortController();
    const running = [
      this.#fileChanges.run(background.signal),
      mirror.run(background.signal),
      membership.run(this.#config.advertise ?? reachable(address), background.signal),
      fleet.run(background.signal),
      forgetAgents(membership, client, this.#config.forget_agents_after, tools, background.signal),
      topics.run(() => wantedTopics(store, this.#config.topics.audit), background.signal),
      alerter.run(this.#election(client, mirror, 'alerts'), background.signal),
      mover.run(this.#election(client, mirror, 'rollouts'), background.signal),
      this.#watchHealth(server, () => mirror.revision > 0n && membership.joined, signal),
    ];
    store.onChange(() => topics.check());
    this.#logger.info('listening', { address, id: controllerId, etcd: etcd.endpoints });
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

  #election(client: EtcdClient, mirror: EtcdMirror, what: string): Election {
    const { etcd, id: candidate, lease_ttl: ttlMs } = this.#config;
    const campaign = { key: `${etcd.prefix}elections/${what}`, candidate, ttlMs };
    return new Election(client, mirror, campaign, { clock: this.#clock, logger: this.#logger });
  }

  async #serveMetrics(sources: MetricSources): Promise<{ close(): Promise<void> } | undefined> {
    const { metrics_listen: address } = this.#config;
    return address === undefined ? undefined : serveMetrics(address, () => fleetMetrics(sources), this.#logger);
  }

  #history(client: EtcdClient, store: EntryStore, rollouts: RolloutView) {
    const tools = { clock: this.#clock, logger: this.#logger };
    const { versions, deleted_entries: deletedMax } = this.#config.history;
    const keys = new Keyspace(this.#config.etcd.prefix);
    const deleted = new DeletedHistories(client, keys, deletedMax);
    const history = new EntryHistory(client, keys);
    const view = {
      former: (name: string) => store.former(name, rollouts),
      reaches: (revision: bigint) => store.reaches(revision),
    };
    const writer = new EntryWriter(client, { keys, view, deleted }, { versions }, tools);
    const feed = new ChangeFeed(client, { keys, deleted }, tools);
    return { keys, writer, writing: new EntryWriting(writer, history), changes: new EntryChanges(history, feed) };
  }

  async #listen(server: RpcServer): Promise<string> {
    const { listen } = this.#config;
    const host = listen.slice(0, listen.lastIndexOf(':'));
    const port = await server.listen(listen, this.#secrets.serverTls(this.#config.tls, 'tls'));
    return `${host}:${port}`;
  }

  #createTopics(store: EntryStore, feed: TopicFeed): KafkaTopics {
    const { kafka, topics } = this.#config;
    const settings = {
      brokers: kafka.brokers,
      tls: this.#secrets.tls(kafka.tls, 'kafka.tls'),
      sasl: this.#secrets.sasl(kafka.sasl, 'kafka.sasl'),
      partitions: topics.partitions,
      replicationFactor: topics.replication_factor,
      keptForEver: topics.audit,
    };
    const onChange = (topic: string) => {
      for (const { entry } of store.all()) if (entry.topic === topic) feed.tell(entry);
    };
    return new KafkaTopics(settings, { clock: this.#clock, logger: this.#logger, onChange });
  }

  async #watchHealth(server: RpcServer, isWell: () => boolean, signal: AbortSignal): Promise<void> {
    let former: boolean | undefined;
    while (!signal.aborted) {
      const well = isWell();
      if (well !== former) server.serving(well);
      former = well;
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

/** "Any address" is where to listen, not where to be reached. */
function reachable(address: string): string {
  return address.replace(/^(0\.0\.0\.0|\[::\]):/, `${hostname()}:`);
}

/** Without entries there is nothing to audit. */
function wantedTopics(store: EntryStore, audit: string): string[] {
  const topics = store.revision === 0n ? [] : store.all().map(({ entry }) => entry.topic);
  return topics.length === 0 || audit === '' ? topics : [...topics, audit];
}
