import { hostname } from 'node:os';
import { z } from 'zod';
import { agentLabelViolations } from '../../proto/rules/agent-labels.ts';
import { topicViolations } from '../../proto/rules/entry-rules.ts';
import { hostToId, isAgentId } from '../../proto/rules/names.ts';
import { byteSize, duration, flag, hostPort, pairs } from '../../runtime/config-leaves.ts';
import type { ConfigSpec } from '../../runtime/config-spec.ts';
import { logLevels } from '../../runtime/logger.ts';
import { saslSettings, tlsSettings } from '../../runtime/security.ts';

const schema = z
  .strictObject({
    id: z
      .string()
      .refine(isAgentId, { error: ({ input }) => idProblem(input) })
      .prefault(hostToId(hostname()))
      .describe('id of the agent, unique in the fleet'),
    labels: pairs().default({}).describe('labels of the agent, which selectors of entries match: key=value,…'),
    controller: z
      .strictObject({
        addresses: z.array(hostPort()).default([]).describe('controllers to connect to: HOST:PORT,…'),
        tls: tlsSettings.prefault({}),
      })
      .prefault({}),
    entries: z
      .string()
      .optional()
      .describe('run without a controller: a YAML or JSON file with the entries, or a folder of such files'),
    once: flag()
      .default(false)
      .describe(
        'with entries: exit when all lines are acknowledged; fails if a file could not be read or Kafka refuses lines',
      ),
    kafka: z
      .strictObject({
        brokers: z
          .array(hostPort())
          .min(1, 'give at least one HOST:PORT')
          .describe('Kafka brokers to connect to first: HOST:PORT,…'),
        tls: tlsSettings.prefault({}),
        sasl: saslSettings.prefault({}),
      })
      .prefault({} as never),
    audit_topic: z
      .string()
      .refine(
        (topic) => topic === '' || topicViolations(topic).length === 0,
        'expected the name of a topic, or an empty text',
      )
      .default('logfleet.audit')
      .describe('topic for losses and sealed files, as JSON; empty: none'),
    state_dir: z
      .string()
      .default('/var/lib/logfleet-agent')
      .describe('folder for positions, facts and the last desired state'),
    durability: z
      .enum(['process', 'power'])
      .default('process')
      .describe(
        'what exactly-once delivery survives: process, the death of the process; power, also a loss of power, by an fsync before each send',
      ),
    state_failure: z
      .enum(['hold', 'deliver'])
      .default('hold')
      .describe(
        'while the state cannot be written: hold, stop sending; deliver, keep sending, with duplicates after a crash',
      ),
    report_interval: duration('100ms')
      .prefault('5s')
      .describe('how often positions are reported; state changes are reported at once'),
    scan_interval: duration('100ms')
      .prefault('5s')
      .describe('how often folders are scanned; file events find most changes sooner'),
    buffer_memory: byteSize('4MiB').prefault('64MiB').describe('memory for batches that Kafka has not acknowledged'),
    pinned_bytes_max: byteSize()
      .prefault('10GiB')
      .describe('disk space that deleted files with unread lines may hold; beyond it the oldest are given up as lost'),
    drain_timeout: duration().prefault('10s').describe('how long to wait for acknowledgements when stopping'),
    log: z
      .strictObject({
        level: z.enum(logLevels).default('info').describe('least severe level to log: debug, info, warn or error'),
        format: z.enum(['json', 'text']).default('json').describe('format of log lines: json or text'),
      })
      .prefault({}),
  })
  .superRefine((config, context) => {
    const alone = config.entries !== undefined;
    const fleet = config.controller.addresses.length > 0;
    const problem = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (alone === fleet) problem('controller', 'give either controller.addresses or entries');
    if (config.once && !alone) problem('once', 'requires entries');
    for (const { field, description } of agentLabelViolations(config.labels)) problem(field, description);
  });

export type AgentConfig = z.output<typeof schema>;

export const agentConfigSpec: ConfigSpec<typeof schema> = {
  program: 'logfleet-agent',
  summary: 'Tails log files and delivers each line to Apache Kafka exactly once.',
  schema,
  aliases: { controller: 'controller.addresses', kafka: 'kafka.brokers', state: 'state_dir', label: 'labels' },
  examples: [
    'logfleet-agent --controller ctl-1:7070,ctl-2:7070 --kafka kafka-1:9092 --label env=prod --label role=web',
    'logfleet-agent --entries entries.yaml --kafka 127.0.0.1:9092 --state ./state',
    'logfleet-agent --entries entries.yaml --kafka 127.0.0.1:9092 --state ./state --once',
  ],
};

function idProblem(id: unknown): string {
  const rule = 'set --id to 1 to 253 of a-z, 0-9, "-" and ".", beginning and ending with a letter or a digit';
  if (id === '' && hostToId(hostname()) === '')
    return `the host name ${JSON.stringify(hostname())} has nothing to make an id from: ${rule}`;
  return `${JSON.stringify(id)} is not an agent's id: ${rule}`;
}
