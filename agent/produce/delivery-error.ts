import { CodedError, errorText, rethrowDefect } from '../../runtime/errors.ts';

/**
 * What a failed request means for its partition (docs/internals/producing.md):
 * - `retriable`: the cluster is busy or can't be reached. The same batches are sent again, in
 *   order, for as long as it takes.
 * - `pausing`: an operator must act (rights, a missing topic). The partition reports it and
 *   retries.
 * - `too-large`: the broker accepts no batch of this size, and did not append it.
 * - `sequence`: the broker expects another sequence than ours.
 */
export type FailureKind = 'retriable' | 'pausing' | 'too-large' | 'sequence';

export type DeliveryErrorCode = 'NETWORK' | 'AUTHENTICATION' | 'UNSUPPORTED' | 'KAFKA' | 'STATE' | 'NO_PARTITION';

export class DeliveryError extends CodedError<DeliveryErrorCode> {
  readonly kind: FailureKind;
  /** Kafka's error code; 0 if the error is not from a response of Kafka. */
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
   * Whether the batch may be in Kafka although sending it again would not show that. A broker that
   * was unreachable may have forgotten the producer id, and appends a repeat then. A limit on sizes
   * is checked before repeats are recognised.
   */
  get isOutcomeUnknown(): boolean {
    return (
      this.kind === 'sequence' ||
      this.kind === 'too-large' ||
      this.code === 'NETWORK' ||
      mayBeAppended.has(this.kafkaCode)
    );
  }
}

/** The batch was appended before: as good as success. */
export const DUPLICATE_SEQUENCE_NUMBER = 46;
export const UNKNOWN_TOPIC_OR_PARTITION = 3;
export const TOPIC_AUTHORIZATION_FAILED = 29;

/** REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS_AFTER_APPEND: appended, but not on all replicas. */
const mayBeAppended: ReadonlySet<number> = new Set([7, 20]);

/** The errors that are not retriable, by Kafka's code. */
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
  3: 'the topic or partition does not exist: create it, or correct the topic of the entry',
  10: "a batch is larger than the topic's max.message.bytes",
  29: 'the agent may not write to the topic: grant its principal WRITE',
  31: 'the agent may not produce idempotently: grant its principal IDEMPOTENT_WRITE or WRITE on the topic',
};

/** The error for a response of Kafka with an error code (not 0), which Kafka calls `name`. */
export function kafkaResponseError(code: number, name: string, detail: string | null | undefined): DeliveryError {
  const text = [`Kafka returned ${name} (${code})`, detail, remedies[code]].filter(Boolean).join(': ');
  return new DeliveryError('KAFKA', kinds[code] ?? 'retriable', text, { kafkaCode: code });
}

/** Any other error counts as a lost connection. A broken invariant is rethrown. */
export function toDeliveryError(error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error;
  rethrowDefect(error);
  return new DeliveryError('NETWORK', 'retriable', errorText(error), { cause: error });
}
