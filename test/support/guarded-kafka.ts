import { type Kafka, startKafka } from '../../stack/kafka.ts';
import type { TestCertificates } from './certificates.ts';
import type { TempDir } from './temp-dir.ts';

/**
 * A broker that accepts only clients with TLS and a login. Users: alice (plain, password `plain`),
 * bob (SCRAM-SHA-256, `secret-256`) and eve (SCRAM-SHA-512, `secret-512`), whose sessions last two
 * seconds.
 */
export function guardedKafka(dir: TempDir, certificates: TestCertificates): Promise<Kafka> {
  const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule';
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule';
  return startKafka({
    dataDir: dir.at('kafka'),
    protocol: 'SASL_SSL',
    config: {
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      'sasl.mechanism.inter.broker.protocol': 'PLAIN',
      'listener.name.client.plain.sasl.jaas.config': `${plain} required username="a" password="a" user_a="a" user_alice="plain";`,
      'listener.name.client.scram-sha-256.sasl.jaas.config': `${scram} required;`,
      'listener.name.client.scram-sha-512.sasl.jaas.config': `${scram} required;`,
      'listener.name.client.scram-sha-512.connections.max.reauth.ms': '2000',
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': certificates.server.keyAndCert,
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': certificates.ca,
    },
    scramUsers: ['SCRAM-SHA-256=[name=bob,password=secret-256]', 'SCRAM-SHA-512=[name=eve,password=secret-512]'],
  });
}
