import { CliError, exitCodes } from '../output/cli-error.ts';
import type { CourseItem, Remark } from './course-items.ts';
import type { IniFile } from './ini-file.ts';

/** What an ini file of the course's layout says. */
export interface IniLayout {
  /** What it names itself: one file, to one topic. */
  item: CourseItem | undefined;
  /** Where it has the rest from. */
  etcd: { addresses: string; key: string; timeoutMs: number | undefined } | undefined;
  /** Kafka's brokers; an agent's setting. */
  kafka: string;
  notes: Remark[];
}

type Word = 'kafka' | 'topic' | 'etcd' | 'timeout' | 'key' | 'path';

/** `section.key` in the layouts that are about; those without sections begin with ".". */
const WORDS: Readonly<Record<Word, readonly string[]>> = {
  kafka: ['kafka.address', 'kafka.addr', 'kafka.kafka_address', 'kafka.brokers', '.kafka_addr', '.kafka_address'],
  topic: ['kafka.topic', 'kafka.topic_name', '.kafka_topic', '.topic'],
  etcd: ['etcd.address', 'etcd.addr', 'etcd.endpoints', '.etcd_addr', '.etcd_address'],
  timeout: ['etcd.timeout', 'etcd.dial_timeout', '.etcd_timeout'],
  key: ['etcd.key', 'etcd.collect_log_key', 'etcd.collect_key', '.etcd_watch_key', '.etcd_key'],
  path: ['filename', 'path', 'logfile', 'log_path', 'logfile_path'].flatMap((key) =>
    ['taillog', 'tail', 'collect', 'logs'].map((section) => `${section}.${key}`),
  ),
};

/** Understands the file. Throws CliError when there is nothing in it to collect. */
export function iniLayout(ini: IniFile, where: string): IniLayout {
  const settings = new Map<string, string>();
  for (const [section, values] of ini) for (const [key, value] of values) settings.set(`${section}.${key}`, value);
  const get = (word: Word) => WORDS[word].map((name) => settings.get(name)).find((value) => value !== undefined) ?? '';
  const known = Object.values(WORDS).flat();
  const notes = [...settings.keys()]
    .filter((name) => !known.includes(name))
    .map((name) => ({ where, text: `${name.replace(/^\./, '')} is not needed: it is left out` }));
  const [path, topic, addresses, key] = [get('path'), get('topic'), get('etcd'), get('key')];
  if (path === '' && key === '')
    throw new CliError(exitCodes.usage, `${where} names neither a file, [taillog] filename, nor a key, [etcd] key`);
  if (key !== '' && addresses === '') throw new CliError(exitCodes.usage, `${where} has [etcd] key, but no address`);
  return {
    item: path === '' ? undefined : { path, topic, service: '', host: '', where: `${where} [taillog]` },
    etcd: key === '' ? undefined : { addresses, key, timeoutMs: timeoutOf(get('timeout')) },
    kafka: get('kafka'),
    notes,
  };
}

/** Seconds, as the course's agents take it; `5s` and `500ms` are taken, too. */
function timeoutOf(text: string): number | undefined {
  const match = /^(\d+)(ms|s)?$/.exec(text);
  return match ? Number(match[1]) * (match[2] === 'ms' ? 1 : 1000) : undefined;
}
