import type kafkajs from 'kafkajs';
import { runProcess } from './process.ts';
import { sharedKafka } from './servers.ts';
import { createTopic, produce } from './topics.ts';

/** Runs `logfleet verify`. `found`: its JSON document, if that was requested. */
export async function verify(topics: string[], ...args: string[]) {
  const kafka = (await sharedKafka()).join(',');
  const outcome = await runProcess('cli/main.ts', ['verify', '--topic', ...topics, '--kafka', kafka, ...args]);
  return { ...outcome, found: args.includes('json') && outcome.stdout !== '' ? JSON.parse(outcome.stdout) : undefined };
}

export interface GivenRecord {
  start: number;
  end: number;
  generation?: string;
  entry?: string;
  flags?: string;
  replay?: string;
  timestamp?: number;
  partition?: number;
}

/** A record as an agent writes it. */
export function record({
  start,
  end,
  generation = 'g1',
  entry = 'app',
  flags,
  replay,
  timestamp,
  partition,
}: GivenRecord): kafkajs.Message {
  return {
    value: 'x'.repeat(Math.max(0, end - start - 1)),
    ...(timestamp !== undefined && { timestamp: String(timestamp) }),
    ...(partition !== undefined && { partition }),
    headers: {
      'host.name': 'h',
      'log.file.path': `/var/log/${generation}.log`,
      'logfleet.entry': entry,
      'logfleet.generation': generation,
      'logfleet.range': `${start}-${end}`,
      ...(flags !== undefined && { 'logfleet.flags': flags }),
      ...(replay !== undefined && { 'logfleet.replay': replay }),
    },
  };
}

/** A fact in the audit topic. */
function fact(document: object): kafkajs.Message {
  const id = JSON.stringify(document);
  return { key: id, value: JSON.stringify({ id, ...document }) };
}

export const begun = (generation: string, first: number, reason = 'start') =>
  fact({ kind: 'begun', generation, entry: 'app', path: `/var/log/${generation}.log`, first, reason });
export const sealed = (generation: string, size: number, first = 0, entry = 'app') =>
  fact({ kind: 'sealed', generation, entry, path: `/var/log/${generation}.log`, first, size });
export const loss = (generation: string, start: number, end: number, openEnded = false) =>
  fact({ kind: 'loss', generation, entry: 'app', start, end, openEnded, reason: 'truncated' });

/** A topic with its audit topic, filled with records. */
export async function given(records: kafkajs.Message[], facts: kafkajs.Message[], partitions = 1) {
  const kafka = await sharedKafka();
  const [topic, audit] = [await createTopic(kafka, partitions), await createTopic(kafka)];
  if (records.length > 0) await produce(kafka, topic, records);
  if (facts.length > 0) await produce(kafka, audit, facts);
  return { kafka, topic, audit: ['--audit-topic', audit] as const };
}
