import { KafkaConnection } from '../../agent/kafka/kafka-connection.ts';
import { LATEST, listOffsets } from '../../agent/kafka/kafka-fetch.ts';
import { apis } from '../../agent/kafka/kafka-messages.ts';
import { eventually } from '../../test/support/eventually.ts';

export const PARTITIONS = 4;

/** Opens a connection to the broker at HOST:PORT. */
export function connect(kafka: string): Promise<KafkaConnection> {
  const [host = '', port] = kafka.split(':');
  return KafkaConnection.open(
    { host, port: Number(port) },
    { clientId: 'bench', requiredApis: [apis.listOffsets, apis.fetch] },
  );
}

/** Counts the records of a topic. */
export class TopicEnd implements Disposable {
  readonly #connection: KafkaConnection;
  readonly #topic: string;

  private constructor(connection: KafkaConnection, topic: string) {
    this.#connection = connection;
    this.#topic = topic;
  }

  static async open(kafka: string, topic: string): Promise<TopicEnd> {
    const end = new TopicEnd(await connect(kafka), topic);
    // A new topic has metadata before its leaders respond.
    await eventually(() => end.records());
    return end;
  }

  /** Rejects with the connection's error while the broker does not respond. */
  async records(): Promise<number> {
    const answers = await Promise.all(
      Array.from({ length: PARTITIONS }, (_, partition) =>
        this.#connection.request(listOffsets({ topic: this.#topic, partition }, LATEST)),
      ),
    );
    return answers.reduce((sum, { errorCode, offset }) => {
      if (errorCode !== 0) throw new Error(`Kafka tells no end of ${this.#topic}: error ${errorCode}`);
      return sum + Number(offset);
    }, 0);
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}
