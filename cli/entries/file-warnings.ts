import type { Asked, Preview } from '../../proto/gen/logfleet/v1/ask.ts';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { shortAgentName, shortEntryName } from '../../proto/rules/names.ts';
import { errorText } from '../../runtime/errors.ts';
import { formatDuration } from '../../runtime/units.ts';
import { count } from '../output/format.ts';
import { printWarning } from '../output/messages.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { DuplicateLines } from './duplicate-lines.ts';

/** Entries that are checked: for each one, every selected agent looks for files. */
const ENTRIES_MAX = 20;
/** Entries that are checked at a time. An agent handles 8 requests at a time. */
const CONCURRENT_ENTRIES_MAX = 4;
/** The time for all entries, in ms. */
const TOTAL_MS_MAX = 5_000;
/** The time for one agent and one entry, in ms. */
const AGENT_MS_MAX = 3_000;
/** Files of an agent that are compared with those of another entry. */
const COMPARED_FILES_MAX = 200;

/** The fields that decide which files an entry sends to which topic. */
const FILE_FIELDS: readonly string[] = ['paths', 'exclude', 'follow_links', 'selector', 'topic'];

/** A stored entry, and what a change makes of it. */
interface Revision {
  stored: Entry | undefined;
  wanted: Entry;
  /** The content fields that change. */
  fields: readonly string[];
}

/** What the agents have found for one entry. */
interface FileCheck {
  entry: Entry;
  asked: Asked | undefined;
  /** How many agents know what the entry matches there. */
  checked: number;
  hasFiles: boolean;
  /** Why a path of the entry is not read. */
  unread: string | undefined;
  /** Why there is no result of an agent. */
  failure: string | undefined;
}

/**
 * Asks the agents which files the changed entries match. Warns of paths that match nothing, and of
 * entries that send the same files to the same topic. These are no errors: files may be created
 * later. Reports entries that were not checked, because of the limits or because no agent
 * responded. Never rejects.
 *
 * `deleted` are the entries that the same change deletes.
 */
export async function warnOfFiles(
  api: ControllerApi,
  revisions: readonly Revision[],
  deleted: readonly Entry[],
): Promise<void> {
  const entries = revisions.filter(changesFiles).map(({ wanted }) => wanted);
  const duplicates = new DuplicateLines(new Set([...entries, ...deleted].map(({ name }) => name)));
  const chosen = entries.slice(0, ENTRIES_MAX);
  const byTopic = Map.groupBy(chosen, ({ topic }) => topic);
  const signal = AbortSignal.timeout(TOTAL_MS_MAX);
  const checks: FileCheck[] = [];
  const rest = chosen.entries();
  const checkNext = async () => {
    for (const [index, entry] of rest) {
      const isCompared = (byTopic.get(entry.topic)?.length ?? 0) > 1;
      checks[index] = await checkFiles(api, entry, { duplicates, isCompared, signal });
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_ENTRIES_MAX }, checkNext));
  for (const text of [...duplicates.warnings(), ...matchWarnings(checks)]) printWarning(text);
  if (entries.length > chosen.length)
    printWarning(
      `the paths of ${count(entries.length - chosen.length)} of ${count(entries.length)} changed entries were not checked: apply checks at most ${ENTRIES_MAX}; use logfleet preview`,
    );
}

function changesFiles({ stored, fields }: Revision): boolean {
  return stored === undefined || fields.some((field) => FILE_FIELDS.includes(field));
}

async function checkFiles(
  api: ControllerApi,
  entry: Entry,
  { duplicates, isCompared, signal }: { duplicates: DuplicateLines; isCompared: boolean; signal: AbortSignal },
): Promise<FileCheck> {
  const filesMax = isCompared ? COMPARED_FILES_MAX : 1;
  const request = { entry, watchMs: 1, lines: -1, filesMax, timeoutMs: AGENT_MS_MAX };
  const check: FileCheck = {
    ...{ entry, asked: undefined, checked: 0, hasFiles: false },
    ...{ unread: undefined, failure: undefined },
  };
  try {
    for await (const { asked, agent, preview, error } of api.follow(api.fleet.previewEntry(request, { signal }))) {
      check.asked ??= asked;
      if (error) check.failure ??= `${shortAgentName(agent)}: ${error.message}`;
      if (!preview) continue;
      addPreview(check, agent, preview);
      duplicates.addConflicts(entry, agent, preview.conflicts);
      if (isCompared) duplicates.addFiles(entry, agent, readablePaths(preview));
    }
  } catch (error) {
    const isLate = signal.aborted;
    check.failure ??= isLate ? `no response within ${formatDuration(TOTAL_MS_MAX / 1000)}` : errorText(error);
  }
  return check;
}

function addPreview(check: FileCheck, agent: string, preview: Preview): void {
  const { fileCount, troubles, archives, truncated } = preview;
  const [trouble] = troubles;
  if (fileCount === 0 && archives === 0 && !trouble && truncated !== '') {
    // The agent found nothing, but it did not look everywhere.
    check.failure ??= `${shortAgentName(agent)}: ${truncated}`;
    return;
  }
  check.checked++;
  check.hasFiles ||= fileCount > 0;
  if (trouble) check.unread ??= `${trouble.path} on ${shortAgentName(agent)}: ${trouble.error}`;
  else if (archives > 0) check.unread ??= `${count(archives)} compressed archives on ${shortAgentName(agent)}`;
}

function readablePaths({ files }: Preview): string[] {
  return files.filter(({ error }) => error === '').map(({ path }) => path);
}

function matchWarnings(checks: readonly FileCheck[]): string[] {
  // There is a warning of a selector that matches no agent already.
  const selected = checks.filter(({ asked }) => asked?.matching !== 0);
  const unmatched = selected.filter(({ checked, hasFiles }) => checked > 0 && !hasFiles);
  const unchecked = Map.groupBy(
    selected.filter(({ checked }) => checked === 0),
    reasonOf,
  );
  return [
    ...unmatched.map(({ entry, asked, checked, unread }) => {
      const agents = `any agent that responded (${count(checked)} of ${count(asked?.matching ?? checked)})`;
      const reason = unread === undefined ? '' : `; not read: ${unread}`;
      return `entry/${shortEntryName(entry.name)}: paths match no readable file on ${agents}${reason}`;
    }),
    ...[...unchecked].map(([reason, group]) => {
      const names = group.map(({ entry }) => shortEntryName(entry.name)).join(', ');
      return `no agent could check the paths of ${names}: ${reason}`;
    }),
  ];
}

function reasonOf({ asked, failure }: FileCheck): string {
  if (asked?.asked === 0)
    return asked.away === 1 ? '1 agent is not connected' : `${asked.away} agents are not connected`;
  return failure ?? 'no agent responded';
}
