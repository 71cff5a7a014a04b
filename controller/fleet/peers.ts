import { type Channel, ChannelCredentials, type ChannelOptions, createChannel, createClient } from 'nice-grpc';
import { type FleetServiceClient, FleetServiceDefinition } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { type RolloutServiceClient, RolloutServiceDefinition } from '../../proto/gen/logfleet/v1/rollout_service.ts';
import { grpcTls, type TlsMaterial } from '../../runtime/security.ts';
import type { Membership } from './membership.ts';

/** How long another controller may take to answer: then it is told as unreachable. */
export const PEER_TIMEOUT_MS = 2_000;

interface PeerChannel {
  channel: Channel;
  /** What it connects with; another one needs another channel. */
  tls: TlsMaterial | undefined;
}

/** Clients of the other controllers, kept as long as those are alive. */
export class Peers {
  readonly #membership: Pick<Membership, 'peers'>;
  readonly #tls: { readonly current: TlsMaterial | undefined };
  readonly #channels = new Map<string, PeerChannel>();

  constructor(membership: Pick<Membership, 'peers'>, tls: { readonly current: TlsMaterial | undefined }) {
    this.#membership = membership;
    this.#tls = tls;
  }

  /** Every other controller that is alive now. */
  all(): { id: string; client: FleetServiceClient; rollouts: RolloutServiceClient }[] {
    const alive = this.#membership.peers();
    const addresses = new Set(alive.values());
    for (const [address, { channel }] of this.#channels) {
      if (addresses.has(address)) continue;
      channel.close();
      this.#channels.delete(address);
    }
    return [...alive].map(([id, address]) => ({
      id,
      client: this.#client(address),
      rollouts: createClient(RolloutServiceDefinition, this.#channel(address)),
    }));
  }

  /** One controller by its id; undefined when it is not alive. */
  find(id: string): FleetServiceClient | undefined {
    const address = this.#membership.peers().get(id);
    return address === undefined ? undefined : this.#client(address);
  }

  close(): void {
    for (const { channel } of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  #client(address: string): FleetServiceClient {
    return createClient(FleetServiceDefinition, this.#channel(address));
  }

  #channel(address: string): Channel {
    const tls = this.#tls.current;
    const present = this.#channels.get(address);
    if (present && present.tls === tls) return present.channel;
    // A closed channel takes no new calls; those in progress continue.
    present?.channel.close();
    const channel = connect(address, tls);
    this.#channels.set(address, { channel, tls });
    return channel;
  }
}

function connect(address: string, tls: TlsMaterial | undefined): Channel {
  const options: ChannelOptions = { 'grpc.max_receive_message_length': -1, 'grpc.keepalive_time_ms': 10_000 };
  if (!tls) return createChannel(address, ChannelCredentials.createInsecure(), options);
  const { credentials, channel } = grpcTls(tls);
  return createChannel(address, ChannelCredentials.createSsl(...credentials), { ...options, ...channel });
}
