import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Entry } from '../proto/gen/logfleet/v1/entry.ts';
import { entryDocuments, withoutTwins } from '../proto/rules/entry-document.ts';
import type { Clock } from '../runtime/clock.ts';
import { CodedError, errorText } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Collector } from './collect/collector.ts';

const LOOK_INTERVAL_MS = 1_000;

export class EntriesFileError extends CodedError<'UNREADABLE' | 'INVALID'> {}

/** Reads the entries of an agent that runs alone. Rejects with EntriesFileError, which names every violation. */
export async function readEntriesFile(file: string): Promise<{ text: string; entries: Entry[] }> {
  try {
    const text = await readFile(file, 'utf8');
    return { text, entries: parseEntries(text, file) };
  } catch (error) {
    if (error instanceof EntriesFileError) throw error;
    throw new EntriesFileError('UNREADABLE', `entries: can't read ${file}`, { cause: error });
  }
}

/** Applies the file's entries again whenever it is another text than `applied`; a file that is wrong changes nothing. */
export async function followEntriesFile(
  file: string,
  applied: string,
  collector: Collector,
  tools: { clock: Clock; logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  let seen = applied;
  // The same reason again and again is told once.
  let told = '';
  for (;;) {
    await tools.clock.sleep(LOOK_INTERVAL_MS, signal).catch(() => {});
    if (signal.aborted) return;
    try {
      const text = await readFile(file, 'utf8');
      if (text === seen) continue;
      seen = text;
      collector.apply(parseEntries(text, file));
      tools.logger.info('applied the changed entries', { file });
      told = '';
    } catch (error) {
      const text = errorText(error);
      if (text !== told)
        tools.logger.warn('the entries file can not be used; the former entries stay', { error: text });
      told = text;
    }
  }
}

function parseEntries(text: string, file: string): Entry[] {
  const documents = withoutTwins(entryDocuments(text, file));
  const problems = documents.flatMap(({ where, violations }) =>
    violations.map(({ field, description }) => `${where}: ${field}: ${description}`),
  );
  if (documents.length === 0) problems.push(`${file}: has no entries`);
  if (problems.length > 0) throw new EntriesFileError('INVALID', problems.join('\n'));
  return documents.map(({ entry }) => ({ ...entry, uid: `file:${entry.name}`, etag: contentHash(entry) }));
}

/** No server counts revisions here, so a hash of an entry's content is its revision. */
function contentHash(entry: Entry): string {
  return createHash('sha256').update(Entry.encode(entry).finish()).digest('hex').slice(0, 16);
}
