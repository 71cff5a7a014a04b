import { Command, Option } from 'commander';
import { outputOption } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

/** The settings `kafka.*` of agent and controller under the same names. */
const kafkaOptions: readonly (readonly [flags: string, description: string])[] = [
  ['--kafka.tls.enabled', 'use TLS'],
  ['--kafka.tls.ca-file <file>', "certificate authorities to trust instead of the system's"],
  ['--kafka.tls.cert-file <file>', 'client certificate'],
  ['--kafka.tls.key-file <file>', 'private key of the client certificate'],
  ['--kafka.tls.server-name <name>', "name expected in the brokers' certificates"],
  ['--kafka.tls.insecure-skip-verify', 'accept any certificate; for tests only'],
  ['--kafka.sasl.mechanism <name>', 'SASL mechanism: plain, scram-sha-256 or scram-sha-512'],
  ['--kafka.sasl.username <name>', 'SASL user'],
  ['--kafka.sasl.password <password>', 'SASL password; prefer --kafka.sasl.password-file'],
  ['--kafka.sasl.password-file <file>', 'file with the SASL password on its first line'],
];

/** `logfleet verify --topic T --kafka HOST:PORT` */
export function verifyCommand({ write }: CommandContext): Command {
  const command = new Command('verify')
    .requiredOption('--topic <topic...>', 'topics to read; give every topic that an entry has had')
    .addOption(new Option('--kafka <host:port,...>', 'bootstrap brokers').env('LOGFLEET_KAFKA').makeOptionMandatory())
    .option('--entry <name>', 'only records of this entry')
    .option('--since <time>', 'only records since a time, 2026-01-31T08:00:00Z, or a duration ago, 2h')
    .option('--audit-topic <topic>', 'topic with losses, sealed files and beginnings; "" for none', 'logfleet.audit')
    .addOption(outputOption(['table', 'json'], 'table'));
  for (const [flags, description] of kafkaOptions) command.option(flags, description);
  command.action(async (options) => {
    // Loaded on demand: Kafka's client and zod would slow every other command down.
    const { verifyTopics } = await import('../verify/verify-topics.ts');
    await verifyTopics(options, write);
  });
  return withHelp(command, {
    summary: 'prove from the records of a topic that no line is missing or duplicated',
    details: [
      'Verify reads the topics from Kafka and needs no controller. The records of each generation of a file must tile: the first one begins at 0, or where the audit topic says that the agent began to read, and each further one where the previous one ended.',
      'HOLE: bytes without a record that no loss explains. lost: bytes without a record that a loss explains. BEGINNING: a generation does not begin at 0, and no fact says why. begins: the same, with the reason: start (the file was there before the entry, and the entry skips what it had), copy (the original of this copy has the bytes) or unknown (an older agent stored none). DOUBLE: bytes in more than one record. open: a generation that is not sealed yet, complete in the range shown.',
    ],
    examples: [
      ['Verify a topic', 'logfleet verify --topic nginx --kafka kafka-1:9092,kafka-2:9092'],
      [
        'Verify the last two hours of one entry',
        'logfleet verify --topic nginx --entry nginx --since 2h --kafka kafka-1:9092',
      ],
      [
        'Verify with TLS and a login',
        [
          'logfleet verify --topic nginx --kafka kafka-1:9093 --kafka.tls.enabled \\',
          '    --kafka.sasl.mechanism plain --kafka.sasl.username verifier \\',
          '    --kafka.sasl.password-file /etc/logfleet/password',
        ].join('\n'),
      ],
    ],
    exitCodes: [
      [0, 'no HOLE, no BEGINNING and no DOUBLE was found'],
      [1, 'a HOLE, a BEGINNING or a DOUBLE was found, or a topic does not exist'],
      [2, 'an option is invalid'],
      [3, 'Kafka is unreachable'],
    ],
  });
}
