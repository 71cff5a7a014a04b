import { CodedError, errorText, rethrowDefect } from '../../runtime/errors.ts';

/**
 * What a failed request means for its partition (docs/internals/producing.md):
 * - `retriable`: the cluster is busy or can't be reached. The same batches are sent again, in
 *   order, for as long as it takes.
 * - `pausing`: an operator must act (a missing topic, a login). The partition reports it and
 *   retries.
 * - `refused`: as `pausing`, and Kafka has appended nothing. The lines return to their sources.
 * - `too-large`: the broker accepts no batch of this size, and did not append it.
 * - `sequence`: the broker expects another sequence than ours.
 */
export type FailureKind = 'retriable' | 'pausing' | 'refused' | 'too-large' | 'sequence';

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
   * was unreachable may have forgotten the producer id, and appends a repeat then.
   */
  get isOutcomeUnknown(): boolean {
    return this.kind === 'sequence' || this.code === 'NETWORK' || mayBeAppended.has(this.kafkaCode);
  }

  /**
   * Whether Kafka's response proves that this attempt appended nothing. An earlier one may have:
   * Kafka validates a batch before it recognises a repeat.
   */
  get isRefusal(): boolean {
    return this.kind === 'refused' || this.kind === 'too-large' || this.kafkaCode === NOT_ENOUGH_REPLICAS;
  }
}

/** The batch was appended before: as good as success. */
export const DUPLICATE_SEQUENCE_NUMBER = 46;
export const UNKNOWN_TOPIC_OR_PARTITION = 3;
export const TOPIC_AUTHORIZATION_FAILED = 29;

/** Checked before the append; NOT_ENOUGH_REPLICAS_AFTER_APPEND after it. */
const NOT_ENOUGH_REPLICAS = 19;
/** REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS_AFTER_APPEND: appended, but not on all replicas. */
const mayBeAppended: ReadonlySet<number> = new Set([7, 20]);

/**
 * The errors that are not retriable, by Kafka's code. `refused` are those that a broker returns
 * only before it appends: from the checks of the request and its rights (KafkaApis,
 * ReplicaManager.appendRecords), and from the validation of the batch (UnifiedLog, LogValidator).
 * A broker can return the others while it waits for replicas, too (DelayedProduce).
 */
const kinds: Readonly<Record<number, FailureKind>> = {
  2: 'refused', // CORRUPT_MESSAGE
  3: 'pausing', // UNKNOWN_TOPIC_OR_PARTITION
  10: 'too-large', // MESSAGE_TOO_LARGE
  17: 'refused', // INVALID_TOPIC_EXCEPTION
  18: 'too-large', // RECORD_LIST_TOO_LARGE
  21: 'refused', // INVALID_REQUIRED_ACKS
  29: 'refused', // TOPIC_AUTHORIZATION_FAILED
  31: 'refused', // CLUSTER_AUTHORIZATION_FAILED
  32: 'refused', // INVALID_TIMESTAMP
  35: 'refused', // UNSUPPORTED_VERSION
  42: 'refused', // INVALID_REQUEST
  43: 'refused', // UNSUPPORTED_FOR_MESSAGE_FORMAT
  44: 'refused', // POLICY_VIOLATION
  45: 'sequence', // OUT_OF_ORDER_SEQUENCE_NUMBER
  47: 'sequence', // INVALID_PRODUCER_EPOCH
  58: 'pausing', // SASL_AUTHENTICATION_FAILED
  59: 'sequence', // UNKNOWN_PRODUCER_ID
  76: 'refused', // UNSUPPORTED_COMPRESSION_TYPE
  87: 'refused', // INVALID_RECORD
  90: 'sequence', // PRODUCER_FENCED
};

const remedies: Readonly<Record<number, string>> = {
  3: 'the topic or partition does not exist: create it, or correct the topic of the entry',
  10: "a batch is larger than the topic's max.message.bytes",
  17: 'Kafka itself uses the topic: correct the topic of the entry',
  29: 'the agent may not write to the topic: grant its principal WRITE',
  31: 'the agent may not produce idempotently: grant its principal IDEMPOTENT_WRITE or WRITE on the topic',
  32: "correct the host's clock, or raise the topic's message.timestamp.before.max.ms or message.timestamp.after.max.ms",
  44: "the cluster's policy forbids it: correct the policy, or the topic of the entry",
  76: "the topic accepts no such compression: correct the entry's compression",
  87: "the topic accepts no such record: logfleet's records have no key, so cleanup.policy must be delete; or correct the topic of the entry",
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
