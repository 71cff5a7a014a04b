import { type Column, count, size, Table } from '../format.ts';
import type { AuditFacts } from './audit-facts.ts';
import type { Place, Range } from './coverage.ts';
import type { Double, Ledger } from './ledger.ts';
import type { Hole, Verdict } from './verdict.ts';

/** What was found, and how much was looked at. */
export interface Verification {
  topics: readonly string[];
  verdict: Verdict;
  ledger: Ledger;
  facts: AuditFacts;
  /** The topics were read from their first records ever. */
  whole: boolean;
  /** There is an audit topic. */
  audited: boolean;
}

/** In a table; JSON names all. */
const OPEN_NAMED_MAX = 20;

/** One thing found, for the table. */
interface Finding extends Range {
  what: string;
  generation: string;
  path: string;
  where: string;
}

/** What was found, one to a line, and what it comes to. */
export function renderVerification(verification: Verification, output: 'table' | 'json'): string {
  return output === 'json' ? `${JSON.stringify(documentOf(verification), undefined, 2)}\n` : textOf(verification);
}

function documentOf({ topics, verdict, ledger, whole, audited, facts }: Verification) {
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
    auditTopic: audited,
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
    ...(facts.senseless > 0 && { senselessAuditRecords: facts.senseless }),
  };
}

function placeDocument({ topic, partition, offset }: Place) {
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
    .slice(0, OPEN_NAMED_MAX)
    .map((each) => ({ ...each, what: 'open', where: 'not sealed yet' }));
  const findings = [...verdict.holes.map(ofHole), ...verdict.doubles.map(ofDouble), ...open];
  const table = findings.length > 0 ? new Table(columns).render(findings) : '';
  const more = verdict.open.length - open.length;
  return `${table}${more > 0 ? `… and ${count(more)} more open generations; -o json names all\n` : ''}${summary(verification)}`;
}

function ofHole({ loss, before, ...hole }: Hole): Finding {
  const where = before ? `before ${placeText(before)}` : "at the file's end";
  return { ...hole, what: loss === undefined ? 'HOLE' : `lost: ${loss}`, where };
}

function ofDouble({ place, ...double }: Double): Finding {
  return { ...double, what: 'DOUBLE', where: placeText(place) };
}

function placeText({ topic, partition, offset }: Place): string {
  return `${topic} ${partition}/${offset}`;
}

function summary({ topics, verdict, ledger, whole, audited }: Verification): string {
  const { records, withoutHeaders, replayed, otherEntries, doubles, doubledBytes } = ledger.counts;
  const holes = verdict.holes.filter(({ loss }) => loss === undefined);
  const losses = verdict.holes.filter(({ loss }) => loss !== undefined);
  const bytes = (ranges: readonly Range[]) => size(ranges.reduce((sum, { start, end }) => sum + end - start, 0));
  const lines = [
    `${count(records)} records read of ${topics.join(', ')}${whole ? '' : ', not from their beginning: so each file is judged from its first record'}`,
    ...(withoutHeaders > 0 ? [`${count(withoutHeaders)} records have no logfleet headers and can't be verified`] : []),
    ...(otherEntries > 0 ? [`${count(otherEntries)} records are of other entries`] : []),
    ...(replayed > 0 ? [`${count(replayed)} records are replays, which are no doubles`] : []),
    `${count(ledger.generations.size)} generations: ${count(verdict.sealed)} sealed, ${count(verdict.open.length)} open: up to the position that is told`,
    ...(audited ? [] : ['no audit topic: what is lost or sealed is not known']),
    `${count(holes.length)} holes (${bytes(holes)}), ${count(doubles)} doubles (${size(doubledBytes)}), ${count(losses.length)} losses that were told (${bytes(losses)})`,
  ];
  return `${lines.join('\n')}\n`;
}
