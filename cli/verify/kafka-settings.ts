import { errorText } from '../../runtime/errors.ts';
import { isHostPort } from '../../runtime/host-port.ts';
import {
  loadSasl,
  loadTls,
  type SaslSettings,
  saslSettings,
  type TlsSettings,
  tlsSettings,
} from '../../runtime/security.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import type { KafkaSettings } from './topic-reader.ts';

/**
 * Validates `--kafka` and `--kafka.*`, which commander names `kafka.tls.caFile`. Throws CliError.
 */
export function kafkaSettings(brokers: string, options: Readonly<Record<string, unknown>>): KafkaSettings {
  const addresses = brokers.split(',').filter((address) => address !== '');
  const wrong = addresses.find((address) => !isHostPort(address));
  if (addresses.length === 0 || wrong !== undefined)
    throw new CliError(
      exitCodes.usage,
      `--kafka: ${JSON.stringify(wrong ?? brokers)} is not an address: give HOST:PORT,…`,
    );
  const tls = checked<TlsSettings>('kafka.tls', tlsSettings, options);
  const sasl = checked<SaslSettings>('kafka.sasl', saslSettings, options);
  try {
    return { brokers: addresses, tls: loadTls(tls, 'kafka.tls'), sasl: loadSasl(sasl, 'kafka.sasl') };
  } catch (error) {
    throw new CliError(exitCodes.usage, errorText(error), { cause: error });
  }
}

interface Schema {
  safeParse(value: unknown): {
    data?: unknown;
    error?: { issues: { path: PropertyKey[]; message: string }[] } | undefined;
  };
}

function checked<Settings>(prefix: string, schema: Schema, options: Readonly<Record<string, unknown>>): Settings {
  const own = Object.entries(options)
    .filter(([name]) => name.startsWith(`${prefix}.`))
    .map(([name, value]) => [snakeCase(name.slice(prefix.length + 1)), value]);
  const { data, error } = schema.safeParse(Object.fromEntries(own));
  const [issue] = error?.issues ?? [];
  if (issue) throw new CliError(exitCodes.usage, `${[prefix, ...issue.path].join('.')}: ${issue.message}`);
  return data as Settings;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
