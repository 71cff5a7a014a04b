import { systemClock } from '../../runtime/clock.ts';
import { parseDuration } from '../../runtime/units.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import { count } from '../output/format.ts';
import { printWarning } from '../output/messages.ts';
import { AuditFacts } from './audit-facts.ts';
import { kafkaSettings } from './kafka-settings.ts';
import { HEADER_NAMES, type HeaderName, Ledger, type SeenRecord } from './ledger.ts';
import { renderVerification, type Verification } from './render.ts';
import { type Span, TopicReadError, TopicReader, type TopicRecord } from './topic-reader.ts';
import { judge, type Verdict } from './verdict.ts';

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
/**
 * A loss or a beginning may reach the audit topic this much later than the lines that follow it
 * reach their topic.
 */
const FACT_WAIT_MS = 1_500;

/** Verifies topics and prints the result. Throws CliError for what must not be in them. */
export async function verifyTopics(
  options: VerifyOptions & Record<string, unknown>,
  write: (text: string) => void,
): Promise<void> {
  const sinceMs = options.since === undefined ? undefined : parseSince(options.since);
  const reader = new TopicReader(kafkaSettings(options.kafka, options));
  try {
    const verification = await examine(reader, options, sinceMs);
    write(renderVerification(verification, options.output));
    // Without records there is nothing wrong, but also no proof: the entry may be misspelt.
    if (verification.ledger.generations.size === 0 && verification.verdict.holes.length === 0)
      printWarning(`nothing was verified: ${nothingFound(options)}`);
    const { holes, beginnings } = unexplained(verification.verdict);
    const { doubles } = verification.ledger.counts;
    if (holes + beginnings + doubles === 0) return;
    const found = [
      holes > 0 ? `${count(holes)} holes that no loss explains` : '',
      beginnings > 0 ? `${count(beginnings)} beginnings that no fact explains` : '',
      doubles > 0 ? `${count(doubles)} doubles` : '',
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

function unexplained({ holes, beginnings }: Verdict): { holes: number; beginnings: number } {
  return {
    holes: holes.filter(({ loss }) => loss === undefined).length,
    beginnings: beginnings.filter(({ reason }) => reason === undefined).length,
  };
}

function nothingFound({ topic, entry, since }: VerifyOptions): string {
  const wanted = entry === undefined ? 'record with logfleet headers' : `record of entry ${entry}`;
  return `${topic.join(', ')} has no ${wanted}${since === undefined ? '' : ` since ${since}`}`;
}

/**
 * Reads the audit topic first: an agent seals a generation once all of it is in Kafka, so the
 * records of sealed generations must be present afterwards. Reads it again at the end for losses
 * and beginnings reported meanwhile.
 */
async function examine(
  reader: TopicReader,
  { topic, entry, auditTopic }: VerifyOptions,
  sinceMs: number | undefined,
): Promise<Verification> {
  const facts = new AuditFacts();
  // A topic that is given twice would look like duplicates.
  const topics = [...new Set(topic)];
  const audit = auditTopic === '' ? undefined : await auditSpans(reader, auditTopic);
  await reader.read(audit ?? [], ({ value }) => facts.add(value, { withSealed: true }));
  const spans = (await Promise.all(topics.map((name) => reader.spans(name, sinceMs)))).flat();
  const ledger = new Ledger(entry);
  const progress = startProgress(spans, ledger);
  await reader.read(spans, (record) => ledger.add(asSeen(record))).finally(progress);
  const whole = sinceMs === undefined && spans.every((span) => span.whole);
  let verdict = judge({ ledger, facts, whole, entry });
  const { holes, beginnings } = unexplained(verdict);
  if (audit && holes + beginnings > 0) {
    await systemClock.sleep(FACT_WAIT_MS);
    const later = await reader.spans(auditTopic, undefined);
    for (const span of later) span.at = audit.find(({ partition }) => partition === span.partition)?.end ?? 0n;
    await reader.read(later, ({ value }) => facts.add(value, { withSealed: false }));
    verdict = judge({ ledger, facts, whole, entry });
  }
  return { topics, verdict, ledger, facts, whole, hasAudit: audit !== undefined };
}

/** Without an audit topic losses, sealed generations and beginnings are unknown. */
async function auditSpans(reader: TopicReader, topic: string): Promise<Span[] | undefined> {
  try {
    return await reader.spans(topic, undefined);
  } catch (error) {
    if (!(error instanceof TopicReadError) || error.code !== 'NO_TOPIC') throw error;
    printWarning(
      `there is no topic ${topic}: holes are reported without the losses that may explain them, beginnings without their reasons`,
    );
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

/** Prints progress on standard error until the returned function is called. */
function startProgress(spans: readonly Span[], ledger: Ledger): () => void {
  const remaining = () => spans.reduce((sum, { at, end }) => sum + (end > at ? end - at : 0n), 0n);
  const all = remaining();
  const startMs = systemClock.monotonicMs();
  const timer = setInterval(() => {
    const done = all - remaining();
    const perSecond = (ledger.counts.records / (systemClock.monotonicMs() - startMs)) * 1000;
    process.stderr.write(`read ${count(done)} of ${count(all)} records, ${count(perSecond)} per second\n`);
  }, PROGRESS_MS);
  return () => clearInterval(timer);
}

/** Parses an RFC 3339 time, or a duration before now such as `2h`. Throws CliError. */
function parseSince(text: string): number {
  const agoMs = parseDuration(text);
  // Kafka gives negative times a meaning of their own.
  if (agoMs !== undefined) return Math.max(0, Math.floor(systemClock.nowMs() - agoMs));
  const timeMs = Date.parse(text);
  if (/^\d{4}-\d\d-\d\d/.test(text) && timeMs >= 0) return timeMs;
  const remedy = 'give one such as 2026-01-31T08:00:00Z, or a duration such as 2h';
  throw new CliError(exitCodes.usage, `--since: ${JSON.stringify(text)} is not a time: ${remedy}`);
}
