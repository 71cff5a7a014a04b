import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { z } from 'zod';
import { topicViolations } from '../proto/rules/entry-rules.ts';
import { isAgentId } from '../proto/rules/names.ts';
import { byteSize, duration, hostPort } from '../runtime/config-leaves.ts';
import type { ConfigSpec } from '../runtime/config-spec.ts';
import { httpUrl } from '../runtime/host-port.ts';
import { logLevels } from '../runtime/logger.ts';
import { saslSettings, tlsSettings } from '../runtime/security.ts';

const schema = z.strictObject({
  id: z
    .string()
    .refine(isAgentId, 'expected 1 to 253 of a-z, 0-9, "-" and "."')
    .default(`${hostname().toLowerCase()}-${randomBytes(3).toString('hex')}`)
    .describe("the controller's id, unique among the controllers of one etcd"),
  listen: hostPort().default('127.0.0.1:7070').describe('where to serve gRPC; port 0 takes a free one'),
  advertise: hostPort()
    .optional()
    .describe(
      'where the other controllers reach this one (default: where it listens, by the host name when that is any address)',
    ),
  tls: z
    .strictObject({
      cert_file: z
        .string()
        .optional()
        .describe('PEM file of the certificate to serve with; without it there is no TLS'),
      key_file: z.string().optional().describe('PEM file of the key to cert_file'),
      client_ca_file: z
        .string()
        .optional()
        .describe('PEM file of the authorities whose clients are let in; without it all are'),
    })
    .refine(
      (tls) => (tls.cert_file === undefined) === (tls.key_file === undefined),
      'cert_file and key_file go together',
    )
    .refine(
      (tls) => tls.client_ca_file === undefined || tls.cert_file !== undefined,
      'client_ca_file needs cert_file: without it there is no TLS',
    )
    .prefault({}),
  peer_tls: tlsSettings.prefault({}),
  etcd: z
    .strictObject({
      endpoints: z
        .array(etcdUrl())
        .min(1, 'give at least one URL')
        .default(['http://127.0.0.1:2379'])
        .describe("etcd's URLs"),
      prefix: z
        .string()
        .regex(/^\/.*\/$/, 'must begin and end with "/"')
        .default('/logfleet/')
        .describe('what all keys begin with'),
      username: z.string().optional().describe('who logs in to etcd'),
      password: z.string().optional().describe('the password; better give password_file'),
      password_file: z.string().optional().describe('file with the password on its first line'),
      // The etcd3 package hands certificates only to gRPC: a setting that it would ignore is refused.
      tls: tlsSettings
        .prefault({})
        .refine((tls) => !tls.insecure_skip_verify, 'insecure_skip_verify is not possible with etcd: give ca_file'),
    })
    .refine(
      (etcd) => (etcd.username !== undefined) === (etcd.password !== undefined || etcd.password_file !== undefined),
      'username goes with password or password_file',
    )
    .prefault({}),
  kafka: z
    .strictObject({
      brokers: z.array(hostPort()).default([]).describe('to create missing topics; without it they must be there'),
      tls: tlsSettings.prefault({}),
      sasl: saslSettings.prefault({}),
    })
    .prefault({}),
  topics: z
    .strictObject({
      partitions: z.int().min(1).max(10_000).default(4).describe('partitions of a topic that is created'),
      replication_factor: z
        .int()
        .min(-1)
        .max(100)
        .default(-1)
        .describe("replicas of a topic that is created; -1: the brokers' default"),
      audit: z
        .string()
        .refine(
          (topic) => topic === '' || topicViolations(topic).length === 0,
          'expected the name of a topic, or nothing',
        )
        .default('logfleet.audit')
        .describe("the agents' audit_topic, created with the entries' topics and kept for ever; nothing: none"),
    })
    .prefault({}),
  history: z
    .strictObject({
      versions: z
        .int()
        .min(2)
        .max(1_000)
        .default(50)
        .describe('versions of an entry that are kept, the present one included'),
      deleted_entries: z
        .int()
        .min(0)
        .max(100_000)
        .default(1_000)
        .describe('deleted entries whose versions are kept; those that were deleted first go first, in tenths of this'),
    })
    .prefault({}),
  lease_ttl: duration('2s')
    .prefault('10s')
    .describe('an agent whose controller has died is shown as lost after this long'),
  alerts: z
    .strictObject({
      webhook: z
        .url({ protocol: /^https?$/, error: 'expected a URL of http or https' })
        .optional()
        .describe(
          "where alerts are sent, as JSON in the form of Alertmanager's webhook; without it they are only listed",
        ),
      token_file: z.string().optional().describe('file with the bearer token for the webhook on its first line'),
      interval: duration('100ms').prefault('10s').describe('how often the rules are looked at'),
      agent_lost: duration().prefault('30s').describe('an alert when an agent has been gone for this long'),
      entry_failed: duration().prefault('1m').describe('an alert when an entry has failed on an agent for this long'),
      lag_bytes: byteSize()
        .prefault('1GiB')
        .describe('an alert when an entry on an agent is further behind than this; 0: none'),
      lag: duration().prefault('5m').describe('… for this long'),
      loss: duration()
        .prefault('1h')
        .describe('for how long after the last loss its alert goes on; 0s: no alerts of losses'),
      loss_forecast: duration()
        .prefault('1m')
        .describe(
          'an alert when files of an entry have been forecast for this long to be rotated away before they are read',
        ),
    })
    .prefault({}),
  metrics_listen: hostPort().optional().describe('where to serve /metrics to Prometheus over HTTP; without it nowhere'),
  forget_agents_after: duration('10s')
    .prefault('720h')
    .describe('how long an agent that is gone is still shown, as it last was'),
  log: z
    .strictObject({
      level: z.enum(logLevels).default('info').describe('debug, info, warn or error'),
      format: z.enum(['json', 'text']).default('json').describe('json or text'),
    })
    .prefault({}),
});

/** `http://host:port`; `host:port` will do, as with etcdctl. */
function etcdUrl() {
  return z.string().transform((text, context) => {
    const url = httpUrl(text);
    if (url !== undefined) return url;
    context.addIssue({ code: 'custom', message: 'expected HOST:PORT or a URL', input: text });
    return z.NEVER;
  });
}

export type ControllerConfig = z.output<typeof schema>;

export const controllerConfigSpec: ConfigSpec<typeof schema> = {
  program: 'logfleet-controller',
  summary: "Keeps the collection entries in etcd, tells every agent what to collect, and knows the fleet's state.",
  schema,
  aliases: { etcd: 'etcd.endpoints', kafka: 'kafka.brokers' },
  examples: [
    'logfleet-controller --etcd http://etcd-1:2379,http://etcd-2:2379 --kafka kafka-1:9092 --listen 0.0.0.0:7070',
    'logfleet-controller --config controller.yaml',
  ],
};
