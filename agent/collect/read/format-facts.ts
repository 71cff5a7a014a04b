import type { Entry } from '../../../proto/gen/logfleet/v1/entry.ts';
import type { Encoding, OverLong, Terminator } from '../../../proto/rules/line-words.ts';
import { shortEntryName } from '../../../proto/rules/names.ts';
import type { FormatFacts } from '../../encode/line-format.ts';

/** How the lines of a valid entry (with its defaults filled in) are encoded on this host. */
export function formatFacts(entry: Entry, host: string): FormatFacts {
  const { headers, maxLineBytes, multiline, filter } = entry;
  return {
    host,
    entry: shortEntryName(entry.name),
    headers: headers as FormatFacts['headers'],
    maxLineBytes,
    overLong: entry.overLong as OverLong,
    terminator: entry.terminator as Terminator,
    encoding: entry.encoding as Encoding,
    ...(multiline && {
      multiline: {
        ...(multiline.start === '' ? { continuation: multiline.continuation } : { start: multiline.start }),
        timeoutMs: multiline.timeoutMs,
        maxLines: multiline.maxLines,
      },
    }),
    ...(filter && {
      filter: {
        ...(filter.include !== '' && { include: filter.include }),
        ...(filter.exclude !== '' && { exclude: filter.exclude }),
        ...(filter.jsonField !== '' && { jsonField: filter.jsonField }),
      },
    }),
  };
}
