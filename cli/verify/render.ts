import { formatByteSize } from '../../runtime/units.ts';
import { count } from '../output/format.ts';
import { type Column, Table } from '../output/table.ts';
import type { AuditFacts } from './audit-facts.ts';
import type { Range, RecordPosition } from './coverage.ts';
import type { DuplicateRange, Ledger } from './ledger.ts';
import type { Hole, Verdict } from './verdict.ts';

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

/** The table's limit; JSON has all. */
const OPEN_SHOWN_MAX = 20;

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
  const { verdict } = verification;
  const open = verdict.open
    .slice(0, OPEN_SHOWN_MAX)
    .map((each) => ({ ...each, what: 'open', where: 'not sealed yet' }));
  const findings = [...verdict.holes.map(ofHole), ...verdict.doubles.map(ofDouble), ...open];
  const table = findings.length > 0 ? new Table(columns).render(findings) : '';
  const more = verdict.open.length - open.length;
  return `${table}${more > 0 ? `… and ${count(more)} more open generations; -o json shows all\n` : ''}${summary(verification)}`;
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
  const lines = [
    `${count(records)} records read of ${topics.join(', ')}${whole ? '' : ', not from the beginning: each file is verified from its first record'}`,
    ...(withoutHeaders > 0 ? [`${count(withoutHeaders)} records have no logfleet headers and can't be verified`] : []),
    ...(otherEntries > 0 ? [`${count(otherEntries)} records belong to other entries`] : []),
    ...(replayed > 0 ? [`${count(replayed)} records are replays, which do not count as doubles`] : []),
    `${count(ledger.generations.size)} generations: ${count(verdict.sealed)} sealed, ${count(verdict.open.length)} open, verified up to their last record`,
    ...(hasAudit ? [] : ['no audit topic: losses and sealed files are unknown']),
    `${count(holes.length)} holes (${bytes(holes)}), ${count(doubles)} doubles (${formatByteSize(doubledBytes)}), ${count(losses.length)} losses (${bytes(losses)})`,
  ];
  return `${lines.join('\n')}\n`;
}
