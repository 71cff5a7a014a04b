import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../runtime/errors.ts';
import { cached } from './cache.ts';
import { freePort } from './free-port.ts';
import { type LocalProcess, startLocalProcess } from './local-process.ts';
import { buildStep, requireTool } from './tools.ts';
import { accepts, waitUntilUp } from './wait-until-up.ts';

const VERSION = '4.1.1';
const UP_TIMEOUT_MS = 60_000;

export interface KafkaOptions {
  dataDir: string;
  /** 1 (the default) or more. The first broker is the controller as well. */
  brokers?: number;
  /** The port of the first broker. */
  port?: number;
  /** Further settings of the brokers, such as listeners with SASL. */
  config?: Readonly<Record<string, string>>;
  /**
   * The protocol of the clients' listener. The default is PLAINTEXT; `config` configures others.
   */
  protocol?: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';
  /**
   * SCRAM users to create with the storage, such as `SCRAM-SHA-256=[name=alice,password=secret]`.
   */
  scramUsers?: readonly string[];
  /**
   * The ports of a proxy, one for each broker, that are advertised to clients instead of the
   * brokers' own ports. Brokers connect to each other directly.
   */
  advertisedPorts?: readonly number[];
  /** Called with its last output when a broker ends without `stop` or `kill`. */
  onDied?: ((lastLines: string) => void) | undefined;
}

export interface KafkaBroker {
  readonly id: number;
  readonly address: string;
  /** The running process; 0 before the first start. */
  readonly pid: number;
  start(): Promise<void>;
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** An Apache Kafka (KRaft) on loopback with its own data folder. */
export interface Kafka {
  readonly bootstrap: string[];
  readonly brokers: readonly KafkaBroker[];
  stop(): Promise<void>;
}

export async function startKafka(options: KafkaOptions, say: (line: string) => void = () => {}): Promise<Kafka> {
  const libs = await kafkaLibs(say);
  const count = options.brokers ?? 1;
  const controllerPort = await freePort();
  const clusterId = await clusterIdOf(options.dataDir, libs);
  const brokers: KafkaBroker[] = [];
  for (let id = 1; id <= count; id++) {
    const port = await freePort(id === 1 ? options.port : undefined);
    const internalPort = options.advertisedPorts && (await freePort());
    const plan = { ...options, id, count, port, internalPort, controllerPort, clusterId };
    const broker = await prepareBroker(libs, plan);
    brokers.push(broker);
  }
  await Promise.all(brokers.map((broker) => broker.start()));
  return {
    bootstrap: brokers.map(({ address }) => address),
    brokers,
    // The controller stops last: a broker that cannot reach it waits before it stops.
    stop: async () => {
      for (const broker of [...brokers].reverse()) await broker.stop();
    },
  };
}

interface BrokerPlan extends KafkaOptions {
  id: number;
  count: number;
  port: number;
  /** The port for the other brokers if a proxy's port is advertised to clients. */
  internalPort: number | undefined;
  controllerPort: number;
  clusterId: string;
}

async function prepareBroker(libs: string, plan: BrokerPlan): Promise<KafkaBroker> {
  const folder = join(plan.dataDir, `broker-${plan.id}`);
  await mkdir(folder, { recursive: true });
  const properties = join(folder, 'server.properties');
  await writeFile(properties, render(brokerConfig(plan, folder)));
  await writeFile(join(folder, 'log4j2.properties'), LOG4J);
  await format(libs, plan, properties);
  let running: LocalProcess | undefined;
  const start = async () => {
    running = await startLocalProcess({
      command: 'java',
      onDied: plan.onDied,
      args: [
        ...[
          '-Xms256m',
          '-Xmx768m',
          '-XX:+UseG1GC',
          '-Xshare:auto',
          `-Dlog4j2.configurationFile=${join(folder, 'log4j2.properties')}`,
        ],
        ...['-cp', join(libs, '*'), 'kafka.Kafka', properties],
      ],
      logFile: join(folder, 'kafka.log'),
    });
    await waitUntilUp(`Kafka broker ${plan.id}`, running, UP_TIMEOUT_MS, () => accepts(plan.port));
  };
  return {
    id: plan.id,
    address: `127.0.0.1:${plan.port}`,
    get pid() {
      return running?.pid ?? 0;
    },
    start,
    stop: async () => running?.stop(),
    kill: async (signal) => running?.kill(signal),
  };
}

function brokerConfig(plan: BrokerPlan, folder: string): Record<string, string> {
  const protocol = plan.protocol ?? 'PLAINTEXT';
  const isController = plan.id === 1;
  const internal = plan.internalPort === undefined ? '' : `,INTERNAL://127.0.0.1:${plan.internalPort}`;
  const listener = `CLIENT://127.0.0.1:${plan.port}${internal}`;
  const advertised = `CLIENT://127.0.0.1:${plan.advertisedPorts?.[plan.id - 1] ?? plan.port}${internal}`;
  const replication = String(Math.min(3, plan.count));
  return {
    'process.roles': isController ? 'broker,controller' : 'broker',
    'node.id': String(plan.id),
    'controller.quorum.bootstrap.servers': `127.0.0.1:${plan.controllerPort}`,
    listeners: isController ? `${listener},CONTROLLER://127.0.0.1:${plan.controllerPort}` : listener,
    'advertised.listeners': advertised,
    'listener.security.protocol.map': `CLIENT:${protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'inter.broker.listener.name': internal ? 'INTERNAL' : 'CLIENT',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': join(folder, 'data'),
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': replication,
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': replication,
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.replication.factor': replication,
    'group.initial.rebalance.delay.ms': '0',
    'log.cleaner.dedupe.buffer.size': '16777216',
    ...plan.config,
  };
}

async function format(libs: string, plan: BrokerPlan, properties: string): Promise<void> {
  const users = (plan.scramUsers ?? []).flatMap((user) => ['--add-scram', user]);
  const role = plan.id === 1 ? ['--standalone'] : ['--no-initial-controllers'];
  const args = ['format', '--ignore-formatted', '-t', plan.clusterId, '-c', properties, ...role, ...users];
  await buildStep('java', [...QUICK_JAVA, '-cp', join(libs, '*'), 'kafka.tools.StorageTool', ...args], plan.dataDir);
}

/** The id of the cluster whose data is in the folder. A new id is stored there. */
async function clusterIdOf(dataDir: string, libs: string): Promise<string> {
  const file = join(dataDir, 'cluster-id');
  const kept = await readFile(file, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (kept !== undefined) return kept.trim();
  const args = [...QUICK_JAVA, '-cp', join(libs, '*'), 'kafka.tools.StorageTool', 'random-uuid'];
  const id = (await buildStep('java', args, '.')).trim().split('\n').at(-1) as string;
  await mkdir(dataDir, { recursive: true });
  await writeFile(file, `${id}\n`);
  return id;
}

/** The folder of Kafka's jars and a logger, downloaded once by Maven into the cache. */
async function kafkaLibs(say: (line: string) => void): Promise<string> {
  await requireTool('java', `Apache Kafka ${VERSION}`);
  const folder = await cached(`kafka-${VERSION}`, async (building) => {
    await requireTool('mvn', `downloading Apache Kafka ${VERSION}`);
    say(`downloading Apache Kafka ${VERSION} (once, about ten seconds) …`);
    await writeFile(join(building, 'pom.xml'), POM);
    await buildStep('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=libs'], building);
  });
  return join(folder, 'libs');
}

function render(config: Readonly<Record<string, string>>): string {
  return `${Object.entries(config)
    .map(([key, value]) => `${key}=${value}`)
    .join('\n')}\n`;
}

/** For programs that run for about a second, which is too short for optimised code. */
const QUICK_JAVA = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto'];

const LOG4J = `rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
`;

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>logfleet</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.1</version></dependency>
  </dependencies>
</project>
`;
