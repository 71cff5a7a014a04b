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

/** The metadata in which a client names its user. */
const CLAIMED = 'logfleet-author';
/**
 * The metadata in which the interceptor passes the certificate's name on. Random, so that no client
 * can set it.
 */
const VERIFIED = `logfleet-peer-${randomBytes(16).toString('hex')}`;
const AUTHOR_CHARACTERS_MAX = 256;
const SERVICES = [EntryServiceDefinition, FleetServiceDefinition, RolloutServiceDefinition].map(
  ({ fullName }) => `/${fullName}/`,
);

/** The author of a call. */
export function authorOf({ metadata }: CallContext): Author {
  const verified = metadata.get(VERIFIED)?.toString();
  const name = decode(verified ?? metadata.get(CLAIMED) ?? '').slice(0, AUTHOR_CHARACTERS_MAX);
  return { name, authenticated: verified !== undefined };
}

/** Metadata is ASCII (gRPC over HTTP2): other characters are percent-encoded. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Another client's plain percent sign.
    return text;
  }
}

/** Passes the name in the client's certificate on to the services, which nice-grpc does not. */
export const passPeerName: ServerInterceptor = (method, call) => {
  const name = SERVICES.some((service) => method.path.startsWith(service)) ? peerName(call) : undefined;
  // Agents' streams, of which there are thousands, get no wrapper.
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
