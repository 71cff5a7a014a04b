import type { z } from 'zod';

/** The settings of a program: what they are called, and what values they take. */
export interface ConfigSpec<Schema extends z.ZodType> {
  /** Such as `logfleet-agent`. The names of its variables then begin with `LOGFLEET_AGENT_`. */
  program: string;
  summary: string;
  schema: Schema;
  /** Short flags: with `{ kafka: 'kafka.brokers' }`, `--kafka` means `--kafka.brokers`. */
  aliases: Readonly<Record<string, string>>;
  examples: readonly string[];
}

/** The flag of a setting, such as `--report-interval`. Underscores are accepted as well. */
export function flagOf(key: string): string {
  return `--${key.replaceAll('_', '-')}`;
}

/** The variable of a setting, such as `LOGFLEET_AGENT_KAFKA_BROKERS`. */
export function variableOf(program: string, key: string): string {
  return `${program}_${key}`.replace(/[^A-Za-z0-9]/g, '_').toUpperCase();
}
