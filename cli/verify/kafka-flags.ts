/** How to reach Kafka: the settings `kafka.*` of agent and controller, under their names. Flags alone: zod is loaded when it is needed. */
export const kafkaFlags: readonly (readonly [flag: string, description: string])[] = [
  ['--kafka.tls.enabled', 'use TLS'],
  ['--kafka.tls.ca-file <file>', "authorities to trust, instead of the system's"],
  ['--kafka.tls.cert-file <file>', 'certificate to show'],
  ['--kafka.tls.key-file <file>', 'key to the certificate'],
  ['--kafka.tls.server-name <name>', "the name to expect in the brokers' certificates"],
  ['--kafka.tls.insecure-skip-verify', 'accept any certificate; for trying out only'],
  ['--kafka.sasl.mechanism <name>', 'how to log in: plain, scram-sha-256 or scram-sha-512'],
  ['--kafka.sasl.username <name>', 'who logs in'],
  ['--kafka.sasl.password <password>', 'the password; better give --kafka.sasl.password-file'],
  ['--kafka.sasl.password-file <file>', 'file with the password on its first line'],
];
