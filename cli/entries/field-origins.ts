import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import type { EntryDocument } from '../../proto/rules/entry-document.ts';
import { differingFields, fieldValues, isByOperator, originOf } from '../../proto/rules/entry-fields.ts';
import { shortEntryName } from '../../proto/rules/names.ts';
import { printWarning } from '../output/messages.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { listVersions } from '../rpc/lists.ts';

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
  return warningsOf({ stored, wanted, replaced, kept, because: 'the file does not name it' }, versions);
}

/**
 * The same for a rollback that makes `wanted` of the stored entry. `versions`: the newest first,
 * without the rollback.
 */
export function rollbackWarnings(wanted: Entry, revision: bigint, versions: readonly EntryVersion[]): string[] {
  const [last] = versions;
  const restored = versions.find((version) => version.revision === revision)?.entry;
  if (!last?.entry || last.change === 'CHANGE_DELETED' || !restored) return [];
  const replaced = differingFields(last.entry, wanted);
  const kept = differingFields(restored, wanted);
  const because = `revision ${revision} does not have it`;
  return warningsOf({ stored: last.entry, wanted, replaced, kept, because }, versions);
}

interface ForeignFields {
  stored: Entry;
  wanted: Entry;
  /** The fields that change. */
  replaced: readonly string[];
  /** The fields that stay. */
  kept: readonly string[];
  /** Why they stay. */
  because: string;
}

function warningsOf(fields: ForeignFields, versions: readonly EntryVersion[]): string[] {
  const { stored, wanted, replaced, kept, because } = fields;
  const [before, after] = [fieldValues(stored), fieldValues(wanted)];
  const describe = (field: string, what: string) => {
    const origin = originOf(field, versions);
    return `entry/${shortEntryName(stored.name)}: ${field} ${what}${origin ? `; ${originText(origin)}` : ''}`;
  };
  return [
    ...replaced
      .filter((field) => isByOperator(originOf(field, versions)))
      .map((field) => describe(field, `changes${changeText(before[field], after[field])}`)),
    ...kept.map((field) => describe(field, `stays${keptText(before[field])}, because ${because}`)),
  ];
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
