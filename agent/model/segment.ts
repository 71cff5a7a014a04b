import type { Compression } from '../../proto/rules/line-words.ts';
import type { ProducerIdentity } from '../kafka/kafka-messages.ts';
import type { FileMarker } from './fingerprint.ts';
import type { LineState } from './line-state.ts';
import type { CoveredRange } from './position.ts';

/**
 * Bytes that the entry's policy for long lines cut off, terminators included. Complete lines may
 * lie between.
 */
export interface Cut {
  start: number;
  end: number;
  bytes: number;
}

/**
 * A run of lines of one generation in one batch, with all that is needed to build their records
 * again.
 */
export interface IntentSegment {
  generation: string;
  /**
   * Positions in the generation, in bytes. The same bytes, encoded by the same format from
   * `startState` to `endState`, yield the same records.
   */
  start: number;
  end: number;
  /** The number of records. A segment without records is never sent. */
  lines: number;
  /** Where the first record's range begins: before `start` if bytes between them were cut off. */
  rangeStart: number;
  startState: LineState;
  endState: LineState;
  /**
   * Where the last record ends and the next record's range begins; before `start` if there is no
   * record.
   */
  rangeEnd: number;
  /**
   * What `end` lies in the middle of, which is where reading resumes. undefined: derived from the
   * file.
   */
  lineState: LineState | undefined;
  /** What the entry's policy for long lines cut off: a loss. */
  cut: Cut | undefined;
  /** CRC-32C of the generation's bytes from `start` to `end`. */
  checksum: number;
  /**
   * The bytes before `end`. undefined: the segment was read again, or an older program stored it.
   */
  marker?: FileMarker | undefined;
  /** How the lines were encoded: JSON, see FormatFacts. */
  format: string;
  /**
   * The id of the replay that sends the segment. undefined: it is sent for the first time. Stored
   * in `format`.
   */
  replay?: string | undefined;
  /** Where the last record's bytes begin, if the entry has a filter. Not stored. */
  lastRecordStart?: number | undefined;
  /** The number of records that the entry's filter excluded. Not stored. */
  filteredCount?: number;
  /** How many of its bytes were never written, so that nothing is sent of them. Not stored. */
  holeBytes?: number;
  /** Kafka refuses a record of this size, so the segment is given up. Not stored. */
  isRefused?: true;
}

/** What a batch contains. The segments are in the order of the records. */
export interface BatchFacts {
  recordCount: number;
  timestampMs: number;
  compression: Compression;
  segments: readonly IntentSegment[];
}

/** The durable note of a batch, written before it is sent: the batch may or may not be in Kafka. */
export interface Intent extends BatchFacts {
  topic: string;
  partition: number;
  producer: ProducerIdentity;
  baseSequence: number;
}

/** An intent in the state database. */
export interface OpenIntent extends Intent {
  id: number;
}

/** The idempotent producer of one partition, as of the last closed intent. */
export interface ProducerRecord {
  topic: string;
  partition: number;
  /**
   * The cluster that issued the producer id, and the incarnation of the topic that it was issued
   * for.
   */
  clusterId: string;
  topicId: string;
  producer: ProducerIdentity;
  nextSequence: number;
  /** Batches of open intents, if they are in Kafka, have higher offsets. */
  lastOffset: bigint;
  /** Whether the id may be used to send. False in a state that was copied from another machine. */
  usable: boolean;
}

/** A range of a generation that must be read again. What is undefined is derived from the file. */
export interface ReturnedRange extends Pick<IntentSegment, 'start' | 'end' | 'rangeStart'> {
  startState: LineState | undefined;
  endState: LineState | undefined;
  /** The format in which it was encoded before. */
  format: string | undefined;
}

/** Ranges of one generation that were in open intents when the previous process ended. */
export interface InheritedRanges {
  /** May be in Kafka. Their outcome is reported to the generation's source. */
  open: readonly IntentSegment[];
  /** Found in Kafka since the start. */
  acknowledged: readonly CoveredRange[];
  /** Found missing since the start: they must be read again. */
  returned: readonly IntentSegment[];
}
