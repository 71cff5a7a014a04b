import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the state of the previous release is recorded. README.md there says what it holds. */
export const FIXTURES = join(import.meta.dirname, 'fixtures');

/**
 * Part of every path and topic of the fixtures. A test puts a token of its own and of the same
 * length in its place.
 */
export const TOKEN = 'upgrade-000000';
export const FOLDER = `/tmp/logfleet-${TOKEN}`;

/** The connected agent, and one that is gone. */
export const AGENT = 'web-1';
export const LOST_AGENT = 'web-2';
export const REPLAY = 'replay-1';

/** The folder of the agent's state and that of the log files, in the fixtures and in `FOLDER`. */
export const STATE = 'state';
export const LOGS = 'logs';

/** The set of fixtures in which an agent alone began to read files at their end. */
export const START_END = 'start-end';

/** The topics, with `token` in their names. */
export function topicsOf(token: string): { topic: string; partitions: number }[] {
  const partitions = { audit: 1, app: 2, web: 1, trace: 1, canary: 1 };
  return Object.entries(partitions).map(([name, count]) => ({ topic: topicOf(token, name), partitions: count }));
}

/** The topic of an entry, or `audit`. */
export function topicOf(token: string, name: string): string {
  return `${token}.${name}`;
}

/** A key of etcd. The revisions are those of its first and of its last write. */
export interface EtcdKey {
  key: string;
  value: string;
  created: number;
  revision: number;
  /** It was bound to a lease. */
  leased: boolean;
}

/** A record batch as it is in the log of a partition. */
export interface LoggedBytes {
  topic: string;
  partition: number;
  base64: string;
}

/** A call of the API before the upgrade, and its response. */
export interface Call {
  service: string;
  method: string;
  request: Record<string, unknown>;
  response: unknown;
}

/** The text of a fixture, with `token` in the place of the recorded one. */
export function fixtureText(token: string, ...path: string[]): string {
  return readFileSync(join(FIXTURES, ...path), 'utf8').replaceAll(TOKEN, token);
}

/** The values of a fixture with one JSON value on each line. */
export function fixtureLines<T>(token: string, ...path: string[]): T[] {
  return fixtureText(token, ...path)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}
