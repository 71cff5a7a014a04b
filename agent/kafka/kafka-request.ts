import type { WireReader } from './wire-reader.ts';

/** One API of the broker's in the one version that we speak, e.g. Metadata 12. */
export interface KafkaApi {
  name: string;
  key: number;
  version: number;
  /** The first release that speaks this version. */
  since: string;
}

/** A request ready to be sent, and how its answer is read. */
export interface KafkaRequest<Answer> {
  api: KafkaApi;
  /** Header version 2 for the request and 1 for the answer (KIP-482), else 1 and 0. */
  isFlexible: boolean;
  /** The body; the pieces are written one after the other and must stay untouched until the answer has come. */
  body: readonly Uint8Array[];
  /** Throws RangeError when the answer makes no sense. */
  parse(reader: WireReader): Answer;
}
