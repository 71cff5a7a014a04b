import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { z } from 'zod';
import { topicViolations } from '../proto/rules/entry-rules.ts';
import { hostToId, isAgentId } from '../proto/rules/names.ts';
import { byteSize, duration, hostPort } from '../runtime/config-leaves.ts';
import type { ConfigSpec } from '../runtime/config-spec.ts';
import { httpUrl } from '../runtime/host-port.ts';
import { logLevels } from '../runtime/logger.ts';
import { saslSettings, tlsSettings } from '../runtime/security.ts';

/** Leaves room for the random part of the default id. */
const HOST_CHARACTERS_MAX = 240;

const schema = z.strictObject({
  id: z
    .string()
    .refine(isAgentId, 'expected 1 to 253 of a-z, 0-9, "-" and "."')
    .prefault(defaultId())
    .describe('id of the controller, unique among the controllers that share an etcd prefix'),
  listen: hostPort().default('127.0.0.1:7070').describe('address to serve gRPC on; port 0 chooses a free one'),
  advertise: hostPort()
    .optional()
    .describe(
      'address at which other controllers reach this one (default: the listen address, with the host name in place of "any address")',
    ),
  tls: z
    .strictObject({
      cert_file: z
        .string()
        .optional()
        .describe('PEM file with the server certificate; without it the controller serves plain text'),
      key_file: z.string().optional().describe('PEM file with the private key of cert_file'),
      client_ca_file: z
        .string()
        .optional()
        .describe(
          'PEM file with the authorities that sign client certificates; without it no client certificate is required',
        ),
    })
    .refine(
      (tls) => (tls.cert_file === undefined) === (tls.key_file === undefined),
      'cert_file and key_file go together',
    )
    .refine((tls) => tls.client_ca_file === undefined || tls.cert_file !== undefined, 'client_ca_file needs cert_file')
    .prefault({}),
  peer_tls: tlsSettings.prefault({}),
  etcd: z
    .strictObject({
      endpoints: z
        .array(etcdUrl())
        .min(1, 'give at least one URL')
        .default(['http://127.0.0.1:2379'])
        .describe('URLs of the etcd members'),
      prefix: z
        .string()
        .regex(/^\/.*\/$/, 'must begin and end with "/"')
        .default('/logfleet/')
        .describe('prefix of all keys in etcd'),
      username: z.string().optional().describe('etcd user'),
      password: z.string().optional().describe('etcd password; prefer password_file'),
      password_file: z.string().optional().describe('file with the etcd password on its first line'),
      // etcd3 passes only certificates to gRPC: a setting that it would ignore is refused.
      tls: tlsSettings
        .prefault({})
        .refine((tls) => !tls.insecure_skip_verify, 'insecure_skip_verify is not supported for etcd: give ca_file'),
    })
    .refine(
      (etcd) => (etcd.username !== undefined) === (etcd.password !== undefined || etcd.password_file !== undefined),
      'username goes with password or password_file',
    )
    .prefault({}),
  kafka: z
    .strictObject({
      brokers: z
        .array(hostPort())
        .default([])
        .describe('Kafka brokers, to create missing topics; without them you must create the topics'),
      tls: tlsSettings.prefault({}),
      sasl: saslSettings.prefault({}),
    })
    .prefault({}),
  topics: z
    .strictObject({
      partitions: z.int().min(1).max(10_000).default(4).describe('partitions of topics that the controller creates'),
      replication_factor: z
        .int()
        .min(-1)
        .max(100)
        .default(-1)
        .describe("replicas of topics that the controller creates; -1: the brokers' default"),
      audit: z
        .string()
        .refine(
          (topic) => topic === '' || topicViolations(topic).length === 0,
          'expected the name of a topic, or an empty string',
        )
        .default('logfleet.audit')
        .describe(
          "the agents' audit_topic, created with unlimited retention as soon as there is an entry; empty: none",
        ),
    })
    .prefault({}),
  history: z
    .strictObject({
      versions: z.int().min(2).max(1_000).default(50).describe('versions kept of an entry, including the present one'),
      deleted_entries: z
        .int()
        .min(0)
        .max(100_000)
        .default(1_000)
        .describe(
          'deleted entries whose versions are kept; the oldest deletions are trimmed first, a tenth of this number at a time',
        ),
    })
    .prefault({}),
  lease_ttl: duration('2s')
    .prefault('10s')
    .describe('how long after the death of its controller an agent is shown as lost'),
  alerts: z
    .strictObject({
      webhook: z
        .url({ protocol: /^https?$/, error: 'expected a URL of http or https' })
        .optional()
        .describe(
          "URL to which alerts are sent, as JSON in the format of Alertmanager's webhook; without it they are only listed",
        ),
      token_file: z.string().optional().describe('file with the bearer token for the webhook on its first line'),
      interval: duration('100ms').prefault('10s').describe('how often the alert rules are evaluated'),
      agent_lost: duration().prefault('30s').describe('alert when an agent has been lost for this long'),
      entry_failed: duration().prefault('1m').describe('alert when an entry has failed on an agent for this long'),
      lag_bytes: byteSize()
        .prefault('1GiB')
        .describe('alert when an entry on an agent lags by more than this; 0: never'),
      lag: duration().prefault('5m').describe('how long the lag must exceed lag_bytes'),
      loss: duration()
        .prefault('1h')
        .describe('how long after the last loss its alert stays active; 0s: no alerts for losses'),
      loss_forecast: duration()
        .prefault('1m')
        .describe('alert when a loss in the files of an entry has been forecast for this long'),
    })
    .prefault({}),
  metrics_listen: hostPort()
    .optional()
    .describe('address to serve /metrics on over HTTP, for Prometheus; without it there are no metrics'),
  forget_agents_after: duration('10s')
    .prefault('720h')
    .describe('how long a disconnected agent is still listed, with its last state'),
  log: z
    .strictObject({
      level: z.enum(logLevels).default('info').describe('least severe level to log: debug, info, warn or error'),
      format: z.enum(['json', 'text']).default('json').describe('format of the log: json or text'),
    })
    .prefault({}),
});

function defaultId(): string {
  const host = hostToId(hostname()).slice(0, HOST_CHARACTERS_MAX) || 'controller';
  return `${host}-${randomBytes(3).toString('hex')}`;
}

/** Accepts `http://host:port` and, like etcdctl, `host:port`. */
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
  summary:
    'Stores collection entries in etcd, sends each agent the entries it collects, and serves the state of the fleet.',
  schema,
  aliases: { etcd: 'etcd.endpoints', kafka: 'kafka.brokers' },
  examples: [
    'logfleet-controller --etcd http://etcd-1:2379,http://etcd-2:2379 --kafka kafka-1:9092 --listen 0.0.0.0:7070',
    'logfleet-controller --config controller.yaml',
  ],
};
