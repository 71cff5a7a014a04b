import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import type { EntryDocument } from '../../proto/rules/entry-document.ts';
import { shortEntryName } from '../../proto/rules/names.ts';
import { printWarning } from '../output/messages.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { listVersions } from '../rpc/lists.ts';
import { differingFields, fieldValues } from './merge.ts';

const CONCURRENT_REQUESTS_MAX = 16;
/** Longer values are cut. */
const VALUE_CHARACTERS_MAX = 60;

/** A document and what it makes of the stored entry. */
export interface Revision {
  document: EntryDocument;
  stored: Entry | undefined;
  wanted: Entry;
}

/**
 * Warns of fields in which the files and the stored entries disagree: those that an operator set,
 * for example with `logfleet pause`, and the file replaces, and those that the file does not name.
 * The history says who set a field, and when.
 */
export async function warnOfForeignFields(api: ControllerApi, revisions: readonly Revision[]): Promise<void> {
  for (let at = 0; at < revisions.length; at += CONCURRENT_REQUESTS_MAX) {
    const batch = revisions.slice(at, at + CONCURRENT_REQUESTS_MAX);
    const warnings = await Promise.all(batch.map((revision) => foreignFieldWarnings(api, revision)));
    for (const warning of warnings.flat()) printWarning(warning);
  }
}

async function foreignFieldWarnings(api: ControllerApi, revision: Revision): Promise<string[]> {
  const { stored, wanted, document } = revision;
  if (!stored) return [];
  const replaced = differingFields(stored, wanted);
  const kept = differingFields(stored, Entry.create()).filter((field) => !document.namedFields.includes(field));
  if (replaced.length + kept.length === 0) return [];
  const versions = await listVersions(api, stored.name);
  const [before, after] = [fieldValues(stored), fieldValues(wanted)];
  const describe = (field: string, what: string) => {
    const origin = originOf(field, versions);
    return `entry/${shortEntryName(stored.name)}: ${field} ${what}${origin ? `; ${originText(origin)}` : ''}`;
  };
  return [
    ...replaced
      .filter((field) => isByOperator(originOf(field, versions)))
      .map((field) => describe(field, `changes${changeText(before[field], after[field])}`)),
    ...kept.map((field) => describe(field, `stays${keptText(before[field])}, because the file does not name it`)),
  ];
}

/** The version that gave the field its present value; undefined when it is not kept any more. */
function originOf(field: string, versions: readonly EntryVersion[]): EntryVersion | undefined {
  const index = versions.findIndex(({ entry, change }, at) => {
    const previous = versions[at + 1];
    if (change === 'CHANGE_CREATED' || previous?.change === 'CHANGE_DELETED') return true;
    return previous?.entry && entry && differingFields(previous.entry, entry).includes(field);
  });
  return versions[index];
}

/** Whether a command set single fields of the entry: a file always names `paths`. */
function isByOperator({ namedFields }: EntryVersion = EntryVersion.create()): boolean {
  return namedFields.length > 0 && !namedFields.includes('paths');
}

/** `ann@ops set it at 2026-11-30T18:00:00.000Z (disk is slow)` */
function originText({ author, time, changeReason }: EntryVersion): string {
  const reason = changeReason === '' ? '' : ` (${changeReason.replaceAll(/\s+/g, ' ')})`;
  return `${author || 'an unknown author'} set it at ${time?.toISOString() ?? 'an unknown time'}${reason}`;
}

/** ` from true to false`; nothing about lists and maps. */
function changeText(before: unknown, after: unknown): string {
  if (typeof (before ?? after) === 'object') return '';
  const absent = typeof (before ?? after) === 'boolean' ? 'false' : 'none';
  return ` from ${short(before ?? absent)} to ${short(after ?? absent)}`;
}

/** ` true`; ` as it is` for lists and maps. */
function keptText(value: unknown): string {
  return typeof value === 'object' ? ' as it is' : ` ${short(value)}`;
}

function short(value: unknown): string {
  const text = String(value).replaceAll(/\s+/g, ' ');
  return text.length > VALUE_CHARACTERS_MAX ? `${text.slice(0, VALUE_CHARACTERS_MAX)}…` : text;
}
