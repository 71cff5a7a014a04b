import { randomBytes } from 'node:crypto';
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  ServerListenerBuilder,
} from '@grpc/grpc-js';
import type { CallContext } from 'nice-grpc';
import { EntryServiceDefinition } from '../../proto/gen/logfleet/v1/entry_service.ts';
import { FleetServiceDefinition } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { RolloutServiceDefinition } from '../../proto/gen/logfleet/v1/rollout_service.ts';
import type { Author } from '../entries/author.ts';

/** What a client says of itself. */
const CLAIMED = 'logfleet-author';
/** How the interceptor tells the certificate's name to the service; nobody outside can know it. */
const VERIFIED = `logfleet-peer-${randomBytes(16).toString('hex')}`;
const AUTHOR_CHARACTERS_MAX = 256;
const SERVICES = [EntryServiceDefinition, FleetServiceDefinition, RolloutServiceDefinition].map(
  ({ fullName }) => `/${fullName}/`,
);

/** Who makes a call. */
export function authorOf({ metadata }: CallContext): Author {
  const verified = metadata.get(VERIFIED)?.toString();
  const name = decoded(verified ?? metadata.get(CLAIMED) ?? '').slice(0, AUTHOR_CHARACTERS_MAX);
  return { name, authenticated: verified !== undefined };
}

/** Metadata is ASCII (gRPC over HTTP2): what is not is written as in a URL. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Somebody else's percent sign.
    return text;
  }
}

/** Tells the service the name in the certificate that a client has shown: nice-grpc does not. */
export const tellPeerName: ServerInterceptor = (method, call) => {
  const name = SERVICES.some((service) => method.path.startsWith(service)) ? peerName(call) : undefined;
  // Other calls stay as they are: agents' streams are many.
  if (name === undefined) return call as ServerInterceptingCall;
  const listener = new ServerListenerBuilder()
    .withOnReceiveMetadata((metadata: Metadata, next) => {
      metadata.set(VERIFIED, name);
      next(metadata);
    })
    .build();
  return new ServerInterceptingCall(call, { start: (next) => next(listener) });
};

function peerName(call: ServerInterceptingCallInterface): string | undefined {
  const { subject, subjectaltname: alternative } = call.getAuthContext().sslPeerCertificate ?? {};
  const common = Array.isArray(subject?.CN) ? subject.CN.join(',') : subject?.CN;
  const name = common || alternative;
  return name?.replace(/[^\x20-\x7e]|%/gu, (character) => encodeURIComponent(character));
}
