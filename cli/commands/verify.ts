import { systemClock } from '../../runtime/clock.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { count } from '../format.ts';
import { AuditFacts } from '../verify/audit-facts.ts';
import { kafkaSettings } from '../verify/kafka-settings.ts';
import { HEADER_NAMES, type HeaderName, Ledger, type SeenRecord } from '../verify/ledger.ts';
import { renderVerification, type Verification } from '../verify/render.ts';
import { type Span, TopicReadError, TopicReader, type TopicRecord } from '../verify/topic-reader.ts';
import { judge } from '../verify/verdict.ts';

export interface VerifyOptions {
  topic: string[];
  kafka: string;
  entry?: string;
  since?: string;
  auditTopic: string;
  output: 'table' | 'json';
}

const PROGRESS_MS = 2_000;
const HEADERS = Object.fromEntries(HEADER_NAMES.map((name) => [name, Buffer.from(name)])) as Record<HeaderName, Buffer>;
/** A loss is told to the audit topic within this time, after lines that follow it may be in their topic. */
const LOSS_WAIT_MS = 1_500;

/** `logfleet verify --topic T --kafka HOST:PORT` */
export async function verify(
  options: VerifyOptions & Record<string, unknown>,
  write: (text: string) => void,
): Promise<void> {
  const sinceMs = options.since === undefined ? undefined : parseSince(options.since);
  const reader = new TopicReader(kafkaSettings(options.kafka, options));
  try {
    const verification = await examine(reader, options, sinceMs);
    write(renderVerification(verification, options.output));
    // Nothing is wrong then, but nothing is proven either: an entry's name may have been misspelt.
    if (verification.ledger.generations.size === 0 && verification.verdict.holes.length === 0)
      process.stderr.write(`warning: nothing was verified: ${nothingSeen(options)}\n`);
    const { holes, doubles } = verification.verdict;
    const unexplained = holes.filter(({ loss }) => loss === undefined).length;
    if (unexplained === 0 && doubles.length === 0) return;
    const { doubles: doubled } = verification.ledger.counts;
    const found = [
      unexplained > 0 ? `${count(unexplained)} holes that no loss explains` : '',
      doubled > 0 ? `${count(doubled)} doubles` : '',
    ];
    throw new CliError(exitCodes.refused, `found ${found.filter(Boolean).join(' and ')}`);
  } catch (error) {
    if (!(error instanceof TopicReadError)) throw error;
    throw new CliError(error.code === 'NO_TOPIC' ? exitCodes.refused : exitCodes.unreachable, error.message, {
      cause: error,
    });
  } finally {
    await reader.close();
  }
}

function nothingSeen({ topic, entry, since }: VerifyOptions): string {
  const what = entry === undefined ? 'record with logfleet headers' : `record of the entry ${entry}`;
  return `${topic.join(', ')} has no ${what}${since === undefined ? '' : ` since ${since}`}`;
}

/**
 * The audit topic is read first: a generation is sealed when all of it is in its topic, so whatever is said to be complete has to be there.
 * And again at the end, for the losses that were told meanwhile.
 */
async function examine(
  reader: TopicReader,
  { topic, entry, auditTopic }: VerifyOptions,
  sinceMs: number | undefined,
): Promise<Verification> {
  const facts = new AuditFacts();
  // One that is named twice is not to be taken for doubles.
  const topics = [...new Set(topic)];
  const audit = auditTopic === '' ? undefined : await auditSpans(reader, auditTopic);
  await reader.read(audit ?? [], ({ value }) => facts.add(value, { withSealed: true }));
  const spans = (await Promise.all(topics.map((name) => reader.spans(name, sinceMs)))).flat();
  const ledger = new Ledger(entry);
  const progress = startProgress(spans, ledger);
  await reader.read(spans, (record) => ledger.add(asSeen(record))).finally(progress);
  const whole = sinceMs === undefined && spans.every((span) => span.whole);
  let verdict = judge({ ledger, facts, whole, entry });
  if (audit && verdict.holes.some(({ loss }) => loss === undefined)) {
    await systemClock.sleep(LOSS_WAIT_MS);
    const later = await reader.spans(auditTopic, undefined);
    for (const span of later) span.at = audit.find(({ partition }) => partition === span.partition)?.end ?? 0n;
    await reader.read(later, ({ value }) => facts.add(value, { withSealed: false }));
    verdict = judge({ ledger, facts, whole, entry });
  }
  return { topics, verdict, ledger, facts, whole, audited: audit !== undefined };
}

/** Without an audit topic nothing is known to be lost, or to be complete. */
async function auditSpans(reader: TopicReader, topic: string): Promise<Span[] | undefined> {
  try {
    return await reader.spans(topic, undefined);
  } catch (error) {
    if (!(error instanceof TopicReadError) || error.code !== 'NO_TOPIC') throw error;
    process.stderr.write(`warning: there is no topic ${topic}: holes are told without what explains them\n`);
    return undefined;
  }
}

function asSeen({ topic, partition, offset, headers }: TopicRecord): SeenRecord {
  const header = (name: HeaderName) => {
    const wanted = HEADERS[name];
    return headers.find(([key]) => key?.length === wanted.length && key.equals(wanted))?.[1]?.toString();
  };
  return { topic, partition, offset, header };
}

/** Tells on standard error how far it is; returns what ends it. */
function startProgress(spans: readonly Span[], ledger: Ledger): () => void {
  const remaining = () => spans.reduce((sum, { at, end }) => sum + (end > at ? end - at : 0n), 0n);
  const all = remaining();
  const startMs = systemClock.monotonicMs();
  const timer = setInterval(() => {
    const done = all - remaining();
    const perSecond = (ledger.counts.records / (systemClock.monotonicMs() - startMs)) * 1000;
    process.stderr.write(`read ${count(done)} of ${count(all)} records, ${count(perSecond)} a second\n`);
  }, PROGRESS_MS);
  return () => clearInterval(timer);
}

/** `2h` (before now), or an RFC 3339 time. Throws CliError. */
function parseSince(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(s|m|h|d)$/.exec(text);
  if (match) {
    const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as 's' | 'm' | 'h' | 'd'];
    // Kafka takes times below 0 for other questions.
    return Math.max(0, Math.floor(systemClock.nowMs() - Number(match[1]) * unitMs));
  }
  const timeMs = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || !(timeMs >= 0))
    throw new CliError(
      exitCodes.usage,
      `--since: ${JSON.stringify(text)}: give a time such as 2026-01-31T08:00:00Z, or how long ago, such as 2h`,
    );
  return timeMs;
}
