import { formatByteSize } from '../../runtime/units.ts';
import { count } from '../output/format.ts';
import { type Column, Table } from '../output/table.ts';
import type { AuditFacts } from './audit-facts.ts';
import type { Range, RecordPosition } from './coverage.ts';
import type { DuplicateRange, Ledger } from './ledger.ts';
import type { Beginning, Hole, Verdict } from './verdict.ts';

/** The result of a verification. */
export interface Verification {
  topics: readonly string[];
  verdict: Verdict;
  ledger: Ledger;
  facts: AuditFacts;
  /** Whether the topics still have their first records and were read from there. */
  whole: boolean;
  /** Whether an audit topic was read. */
  hasAudit: boolean;
}

/** The table's limit of rows that are no findings; JSON has all. */
const SHOWN_MAX = 20;

/** A line of the table. */
interface Finding extends Range {
  what: string;
  generation: string;
  path: string;
  where: string;
}

/** A line for each finding, then a summary; or one JSON document. */
export function renderVerification(verification: Verification, output: 'table' | 'json'): string {
  return output === 'json' ? `${JSON.stringify(documentOf(verification), undefined, 2)}\n` : textOf(verification);
}

function documentOf({ topics, verdict, ledger, whole, hasAudit, facts }: Verification) {
  const { records, withoutHeaders, replayed, otherEntries, doubles } = ledger.counts;
  const holes = verdict.holes.map(({ before, loss, ...hole }) => ({
    ...hole,
    bytes: hole.end - hole.start,
    loss: loss ?? null,
    ...(before && { before: placeDocument(before) }),
  }));
  return {
    topics,
    fromTheBeginning: whole,
    auditTopic: hasAudit,
    records: { read: records, withoutHeaders, replayed, otherEntries },
    generations: { seen: ledger.generations.size, complete: verdict.sealed, open: verdict.open.length },
    beginnings: verdict.beginnings.map(({ reason = null, ...beginning }) => ({ ...beginning, reason })),
    holes: holes.filter(({ loss }) => loss === null),
    losses: holes.filter(({ loss }) => loss !== null),
    doubles: verdict.doubles.map(({ place, ...double }) => ({
      ...double,
      bytes: double.end - double.start,
      at: placeDocument(place),
    })),
    doublesFound: doubles,
    open: verdict.open,
    ...(facts.invalidRecords > 0 && { senselessAuditRecords: facts.invalidRecords }),
  };
}

function placeDocument({ topic, partition, offset }: RecordPosition) {
  return { topic, partition, offset: String(offset) };
}

const columns: readonly Column<Finding>[] = [
  { title: 'WHAT', value: ({ what }) => what },
  { title: 'GENERATION', value: ({ generation }) => generation },
  { title: 'RANGE', value: ({ start, end }) => `${start}-${end}` },
  { title: 'BYTES', value: ({ start, end }) => String(end - start) },
  { title: 'WHERE', value: ({ where }) => where },
  { title: 'PATH', value: ({ path }) => path },
];

function textOf(verification: Verification): string {
  const { beginnings, holes, doubles, open } = verification.verdict;
  const { unexplained = [], known = [] } = Object.groupBy(beginnings, isUnexplained);
  const wrong = [...holes.map(ofHole), ...unexplained.map(ofBeginning), ...doubles.map(ofDouble)];
  const notes = [...known.slice(0, SHOWN_MAX).map(ofBeginning), ...open.slice(0, SHOWN_MAX).map(ofOpen)];
  const rows = [...wrong, ...notes];
  const table = rows.length > 0 ? new Table(columns).render(rows) : '';
  return `${table}${more(known, 'beginnings')}${more(open, 'open generations')}${summary(verification)}`;
}

function isUnexplained({ reason }: Beginning): 'unexplained' | 'known' {
  return reason === undefined ? 'unexplained' : 'known';
}

function more({ length }: readonly unknown[], what: string): string {
  return length > SHOWN_MAX ? `… and ${count(length - SHOWN_MAX)} more ${what}; -o json shows all\n` : '';
}

/** The row has the bytes before the generation's beginning. */
function ofBeginning({ first, reason, ...beginning }: Beginning): Finding {
  const where = reason === undefined ? 'no fact says why' : 'never read';
  return { ...beginning, start: 0, end: first, what: reason === undefined ? 'BEGINNING' : `begins: ${reason}`, where };
}

function ofOpen(open: Verdict['open'][number]): Finding {
  return { ...open, what: 'open', where: 'not sealed yet' };
}

function ofHole({ loss, before, ...hole }: Hole): Finding {
  const where = before ? `before ${placeText(before)}` : "at the file's end";
  return { ...hole, what: loss === undefined ? 'HOLE' : `lost: ${loss}`, where };
}

function ofDouble({ place, ...double }: DuplicateRange): Finding {
  return { ...double, what: 'DOUBLE', where: placeText(place) };
}

function placeText({ topic, partition, offset }: RecordPosition): string {
  return `${topic} ${partition}/${offset}`;
}

function summary({ topics, verdict, ledger, whole, hasAudit }: Verification): string {
  const { records, withoutHeaders, replayed, otherEntries, doubles, doubledBytes } = ledger.counts;
  const holes = verdict.holes.filter(({ loss }) => loss === undefined);
  const losses = verdict.holes.filter(({ loss }) => loss !== undefined);
  const bytes = (ranges: readonly Range[]) =>
    formatByteSize(ranges.reduce((sum, { start, end }) => sum + end - start, 0));
  const { beginnings } = verdict;
  const unexplained = beginnings.filter(({ reason }) => reason === undefined).length;
  const lines = [
    `${count(records)} records read of ${topics.join(', ')}${whole ? '' : ', not from the beginning: each file is verified from its first record'}`,
    ...(withoutHeaders > 0 ? [`${count(withoutHeaders)} records have no logfleet headers and can't be verified`] : []),
    ...(otherEntries > 0 ? [`${count(otherEntries)} records belong to other entries`] : []),
    ...(replayed > 0 ? [`${count(replayed)} records are replays, which do not count as doubles`] : []),
    `${count(ledger.generations.size)} generations: ${count(verdict.sealed)} sealed, ${count(verdict.open.length)} open, verified up to their last record`,
    ...(beginnings.length > 0
      ? [`${count(beginnings.length)} generations do not begin at 0: no fact explains ${count(unexplained)} of them`]
      : []),
    ...(hasAudit ? [] : ['no audit topic: losses, sealed files and beginnings are unknown']),
    `${count(holes.length)} holes (${bytes(holes)}), ${count(doubles)} doubles (${formatByteSize(doubledBytes)}), ${count(losses.length)} losses (${bytes(losses)})`,
  ];
  return `${lines.join('\n')}\n`;
}
