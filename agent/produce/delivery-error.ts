import { CodedError } from '../../runtime/errors.ts';

/**
 * What a failed send means for its route (docs/internals/producing.md):
 * - `retriable`: the cluster is busy with itself or can't be reached; the same batches go again, in order, for ever.
 * - `pausing`: somebody must act (rights, a missing topic); the route waits, says so, and tries again by itself.
 * - `too-large`: the broker takes no batch of this size; it has not been appended.
 * - `sequence`: the broker's idea of the producer's sequence differs from ours.
 */
export type FailureKind = 'retriable' | 'pausing' | 'too-large' | 'sequence';

export type DeliveryErrorCode = 'NETWORK' | 'AUTHENTICATION' | 'UNSUPPORTED' | 'KAFKA' | 'STATE' | 'NO_PARTITION';

export class DeliveryError extends CodedError<DeliveryErrorCode> {
  readonly kind: FailureKind;
  /** Kafka's error number; 0 when the failure is not an answer of Kafka's. */
  readonly kafkaCode: number;

  constructor(
    code: DeliveryErrorCode,
    kind: FailureKind,
    message: string,
    options: { cause?: unknown; kafkaCode?: number } = {},
  ) {
    super(code, message, { retryable: kind === 'retriable', cause: options.cause });
    this.kind = kind;
    this.kafkaCode = options.kafkaCode ?? 0;
  }

  /**
   * Whether the batch may be in Kafka, and the answer to a repetition would not tell: the broker's producer ids expire while it can't be
   * reached, and then a repetition is appended; a limit on sizes counts before repetitions are recognised.
   */
  get isOutcomeUnknown(): boolean {
    return (
      this.kind === 'sequence' || this.kind === 'too-large' || this.code === 'NETWORK' || unsure.has(this.kafkaCode)
    );
  }
}

/** Already appended before: as good as success. */
export const DUPLICATE_SEQUENCE_NUMBER = 46;
export const UNKNOWN_TOPIC_OR_PARTITION = 3;
export const TOPIC_AUTHORIZATION_FAILED = 29;

/** REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS_AFTER_APPEND: it is appended, if not on all replicas. */
const unsure: ReadonlySet<number> = new Set([7, 20]);

/** The errors that need something else than another try, by Kafka's number; all others are retriable. */
const kinds: Readonly<Record<number, FailureKind>> = {
  3: 'pausing', // UNKNOWN_TOPIC_OR_PARTITION
  10: 'too-large', // MESSAGE_TOO_LARGE
  17: 'pausing', // INVALID_TOPIC_EXCEPTION
  18: 'too-large', // RECORD_LIST_TOO_LARGE
  21: 'pausing', // INVALID_REQUIRED_ACKS
  29: 'pausing', // TOPIC_AUTHORIZATION_FAILED
  31: 'pausing', // CLUSTER_AUTHORIZATION_FAILED
  32: 'pausing', // INVALID_TIMESTAMP
  35: 'pausing', // UNSUPPORTED_VERSION
  42: 'pausing', // INVALID_REQUEST
  43: 'pausing', // UNSUPPORTED_FOR_MESSAGE_FORMAT
  44: 'pausing', // POLICY_VIOLATION
  45: 'sequence', // OUT_OF_ORDER_SEQUENCE_NUMBER
  47: 'sequence', // INVALID_PRODUCER_EPOCH
  58: 'pausing', // SASL_AUTHENTICATION_FAILED
  59: 'sequence', // UNKNOWN_PRODUCER_ID
  76: 'pausing', // UNSUPPORTED_COMPRESSION_TYPE
  87: 'pausing', // INVALID_RECORD
  90: 'sequence', // PRODUCER_FENCED
};

const remedies: Readonly<Record<number, string>> = {
  3: 'the topic or partition does not exist: create it, or set the right topic on the entry',
  10: "a batch is larger than the topic's max.message.bytes",
  29: 'the agent may not write to the topic: grant its principal WRITE',
  31: 'the agent may not produce idempotently: grant its principal IDEMPOTENT_WRITE or WRITE on the topic',
};

/** The error for Kafka's answer `code` (not 0), `name` as Kafka calls it. */
export function kafkaResponseError(code: number, name: string, detail: string | null | undefined): DeliveryError {
  const text = [`Kafka answered ${name} (${code})`, detail, remedies[code]].filter(Boolean).join(': ');
  return new DeliveryError('KAFKA', kinds[code] ?? 'retriable', text, { kafkaCode: code });
}
