import { parseDuration } from '../../runtime/units.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import type { CourseItem, Remark } from './course-items.ts';
import type { IniFile } from './ini-file.ts';

/** The settings of an ini file in the course's layout. */
export interface IniLayout {
  /** The file and topic in the ini file itself. */
  item: CourseItem | undefined;
  /** The key in etcd with further items. */
  etcd: { addresses: string; key: string; timeoutMs: number | undefined } | undefined;
  /** Kafka's brokers, which are a setting of the agents. */
  kafka: string;
  notes: Remark[];
}

type Word = 'kafka' | 'topic' | 'etcd' | 'timeout' | 'key' | 'path';

/**
 * The names `section.key` of each setting in known layouts; without a section they begin with ".".
 */
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

/** Finds the settings. Throws CliError when the file names nothing to collect. */
export function iniLayout(ini: IniFile, where: string): IniLayout {
  const settings = new Map<string, string>();
  for (const [section, values] of ini) for (const [key, value] of values) settings.set(`${section}.${key}`, value);
  const get = (word: Word) => WORDS[word].map((name) => settings.get(name)).find((value) => value !== undefined) ?? '';
  const known = Object.values(WORDS).flat();
  const notes = [...settings.keys()]
    .filter((name) => !known.includes(name))
    .map((name) => ({ where, text: `${name.replace(/^\./, '')} is not needed: ignored` }));
  const [path, topic, addresses, key] = [get('path'), get('topic'), get('etcd'), get('key')];
  if (path === '' && key === '')
    throw new CliError(exitCodes.usage, `${where} has neither [taillog] filename nor [etcd] key`);
  if (key !== '' && addresses === '')
    throw new CliError(exitCodes.usage, `${where} has [etcd] key, but not [etcd] address`);
  return {
    item: path === '' ? undefined : { path, topic, service: '', host: '', where: `${where} [taillog]` },
    etcd: key === '' ? undefined : { addresses, key, timeoutMs: timeoutOf(get('timeout')) },
    kafka: get('kafka'),
    notes,
  };
}

/** A bare number is in seconds, as for the course's agents. */
function timeoutOf(text: string): number | undefined {
  return parseDuration(text, 's');
}
