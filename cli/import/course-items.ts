import { errorText } from '../../runtime/errors.ts';

/** What a former agent collected: one file, to one topic. */
export interface CourseItem {
  path: string;
  topic: string;
  /** The service that the file is of, where the layout says one; else empty. */
  service: string;
  /** The host it is for: an address or a name. Empty: for all. */
  host: string;
  /** Where it is written, for a person. */
  where: string;
}

/** A remark about one place of what was read. */
export interface Remark {
  where: string;
  text: string;
}

/** What was read, what could not be taken, and what is left out of what was taken. */
export interface CourseReading {
  items: CourseItem[];
  refused: Remark[];
  notes: Remark[];
}

/** The layouts that are about, as `normalised` writes their words. Go's JSON does not mind upper and lower case either. */
const WORDS = {
  path: ['path', 'logpath', 'filepath', 'filename', 'logfile', 'logfilepath', 'file'],
  topic: ['topic', 'topicname', 'kafkatopic'],
  service: ['service', 'servicename', 'modulename', 'module', 'name', 'appname'],
} as const;

/** What the settings of the former agent that have no counterpart in an entry are here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  sendrate: 'entries have no limit of lines per second: it is left out',
  mqhosts: "brokers are the agents' own setting, --kafka: it is left out",
  offset: 'where to begin is said by --start: it is left out',
};

/** Reads `[{"path": …, "topic": …}, …]`, the value of a key or the content of a file. `where` names it. */
export function courseItems(text: string, where: string, host: string): CourseReading {
  const reading: CourseReading = { items: [], refused: [], notes: [] };
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, '').trim() || '[]');
  } catch (error) {
    const remedy = /\\[^"\\/bfnrtu]/.test(text) ? '; a backslash in JSON is written twice' : '';
    reading.refused.push({ where, text: `is not JSON: ${errorText(error)}${remedy}` });
    return reading;
  }
  const list = Array.isArray(value) ? value : [value];
  if (list.length === 0) reading.notes.push({ where, text: 'is empty: nothing is collected by it' });
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
    else if (word) reading.notes.push({ where, text: `${key} is no text: it is left out` });
    else reading.notes.push({ where, text: `${key}: ${ELSEWHERE[normalised(key)] ?? 'is not known: it is left out'}` });
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
