/** What the entry's policy for long lines has cut off, terminators included. Good lines may lie between. */

import type { Compression } from '../../proto/rules/line-words.ts';
import type { ProducerIdentity } from '../kafka/kafka-messages.ts';
import type { Place } from './line-state.ts';
import type { CoveredRange } from './position.ts';

export interface Cut {
  start: number;
  end: number;
  bytes: number;
}
/** A run of lines of one generation inside a batch, and all that it takes to build their records again. */

export interface IntentSegment {
  generation: string;
  /** Positions in the generation. The same bytes, encoded by the same format from `startsAt` to `endsAt`, are the same records. */
  start: number;
  end: number;
  /** How many records; a segment without any is never sent. */
  lines: number;
  /** Where the first record's range begins: before `start` when what lies between was cut off and is done with. */
  rangeStart: number;
  startsAt: Place;
  endsAt: Place;
  /** Where the last record up to `end` ends, and the range of the next one begins: before `start` when it has no record. */
  rangeEnd: number;
  /** What `end` is in the middle of: where to go on. undefined: only the file tells, as far as it can. */
  place: Place | undefined;
  /** What of it is lost, by the entry's policy. */
  cut: Cut | undefined;
  /** CRC-32C of the generation's bytes from `start` to `end`. */
  checksum: number;
  /** How the lines were encoded, JSON. */
  format: string;
  /** Sent once more, by the replay with this id; kept in the format. undefined: for the first time. */
  replay?: string | undefined;
  /** Where the bytes of its last record begin, when there is a filter. Never kept. */
  lastAt?: number | undefined;
  /** How many records the entry's filter did not keep. Never kept. */
  filtered?: number;
  /** Kafka takes no record as large as this one, which is given up. Never kept. */
  refused?: true;
}
/** What a batch is made of; its segments in the order of its records. */

export interface BatchFacts {
  recordCount: number;
  timestampMs: number;
  compression: Compression;
  segments: readonly IntentSegment[];
}
/** A batch that may or may not be in Kafka. */

export interface Intent extends BatchFacts {
  topic: string;
  partition: number;
  producer: ProducerIdentity;
  baseSequence: number;
}
export interface OpenIntent extends Intent {
  id: number;
}
/** The idempotent producer of one partition, as far as every closed intent goes. */

export interface ProducerRecord {
  topic: string;
  partition: number;
  /** Where the id was given out, and for which life of the topic. */
  clusterId: string;
  topicId: string;
  producer: ProducerIdentity;
  nextSequence: number;
  /** Whatever is not closed lies behind this offset. */
  lastOffset: bigint;
  /** The id may be used to send: not in a state that was copied from another machine. */
  usable: boolean;
}
/** A range of a generation that was read once and must be read again. What is undefined only the file tells. */

export interface ReturnedRange extends Pick<IntentSegment, 'start' | 'end' | 'rangeStart'> {
  startsAt: Place | undefined;
  endsAt: Place | undefined;
  /** The format in which it was read. */
  format: string | undefined;
}
/** What a former process had under way of one generation. */

export interface Inherited {
  /** May be in Kafka; the source is told. */
  open: readonly IntentSegment[];
  /** Turned out to be in Kafka since the start. */
  delivered: readonly CoveredRange[];
  /** Turned out not to be: they are to be read again. */
  returned: readonly IntentSegment[];
}
