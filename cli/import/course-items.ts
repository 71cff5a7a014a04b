import { errorText } from '../../runtime/errors.ts';

/** What the other agent collected: one file to one topic. */
export interface CourseItem {
  path: string;
  topic: string;
  /** The service of the file; empty in layouts without one. */
  service: string;
  /** The host, an address or a name; empty: all hosts. */
  host: string;
  /** Where the item was found, for messages. */
  where: string;
}

/** A remark about something that was read. */
export interface Remark {
  where: string;
  text: string;
}

/** The items that were read, those that can't be converted, and notes about what is ignored. */
export interface CourseReading {
  items: CourseItem[];
  refused: Remark[];
  notes: Remark[];
}

/** The names that known layouts use, as `normalised` returns them. Go's JSON ignores case, too. */
const WORDS = {
  path: ['path', 'logpath', 'filepath', 'filename', 'logfile', 'logfilepath', 'file'],
  topic: ['topic', 'topicname', 'kafkatopic'],
  service: ['service', 'servicename', 'modulename', 'module', 'name', 'appname'],
} as const;

/** Settings of the other agent without a counterpart in an entry. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  sendrate: 'entries have no limit in lines per second: ignored',
  mqhosts: 'brokers are a setting of the agents, --kafka: ignored',
  offset: '--start says where to start: ignored',
};

/** Reads `[{"path": …, "topic": …}, …]`, a key's value or a file's content, which `where` names. */
export function courseItems(text: string, where: string, host: string): CourseReading {
  const reading: CourseReading = { items: [], refused: [], notes: [] };
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, '').trim() || '[]');
  } catch (error) {
    const remedy = /\\[^"\\/bfnrtu]/.test(text) ? '; write a backslash twice in JSON' : '';
    reading.refused.push({ where, text: `is not JSON: ${errorText(error)}${remedy}` });
    return reading;
  }
  const list = Array.isArray(value) ? value : [value];
  if (list.length === 0) reading.notes.push({ where, text: 'is empty: it collects nothing' });
  for (const [index, item] of list.entries())
    readItem(item, { where: Array.isArray(value) ? `${where}[${index}]` : where, host }, reading);
  return reading;
}

function readItem(value: unknown, { where, host }: { where: string; host: string }, reading: CourseReading): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    reading.refused.push({
      where,
      text: `expected {"path": …, "topic": …}, found ${JSON.stringify(value).slice(0, 80)}`,
    });
    return;
  }
  const item: CourseItem = { path: '', topic: '', service: '', host, where };
  for (const [key, given] of Object.entries(value)) {
    const word = wordOf(key);
    if (word && typeof given === 'string') item[word] = given.trim();
    else if (word) reading.notes.push({ where, text: `${key} is not a string: ignored` });
    else reading.notes.push({ where, text: `${key}: ${UNSUPPORTED[normalised(key)] ?? 'unknown: ignored'}` });
  }
  const missing = (['path', 'topic'] as const).filter((word) => item[word] === '');
  if (missing.length === 0) reading.items.push(item);
  else {
    const found = Object.keys(value).map((key) => JSON.stringify(key));
    reading.refused.push({
      where,
      text: `has no ${missing.join(' and no ')}; it has ${found.join(', ') || 'nothing'}`,
    });
  }
}

function wordOf(key: string): keyof typeof WORDS | undefined {
  const words = Object.keys(WORDS) as (keyof typeof WORDS)[];
  return words.find((word) => (WORDS[word] as readonly string[]).includes(normalised(key)));
}

function normalised(key: string): string {
  return key.toLowerCase().replace(/[_-]/g, '');
}
