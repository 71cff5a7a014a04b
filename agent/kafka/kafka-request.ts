import type { WireReader } from './wire-reader.ts';

/** One API of Kafka in the one version that the agent uses, for example Metadata 12. */
export interface KafkaApi {
  name: string;
  key: number;
  version: number;
  /** The first release with this version. */
  since: string;
}

/** A request that is ready to be sent, and the parser of its response. */
export interface KafkaRequest<Response> {
  api: KafkaApi;
  /** Header version 2 in the request and 1 in the response (KIP-482), else 1 and 0. */
  isFlexible: boolean;
  /** The pieces of the body, in order. They must not change until the response has arrived. */
  body: readonly Uint8Array[];
  /** Throws RangeError if the response is malformed. */
  parse(reader: WireReader): Response;
}
