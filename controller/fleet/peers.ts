import { type Channel, ChannelCredentials, type ChannelOptions, createChannel, createClient } from 'nice-grpc';
import { type FleetServiceClient, FleetServiceDefinition } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { type RolloutServiceClient, RolloutServiceDefinition } from '../../proto/gen/logfleet/v1/rollout_service.ts';
import { grpcTls, type TlsMaterial } from '../../runtime/security.ts';
import type { LiveControllers } from './live-controllers.ts';

/** How long to wait for another controller's response, before it counts as unreachable. */
export const PEER_TIMEOUT_MS = 2_000;

export interface Peer {
  id: string;
  fleet: FleetServiceClient;
  rollouts: RolloutServiceClient;
}

interface PeerChannel {
  channel: Channel;
  /** The certificates it was opened with. Other certificates need another channel. */
  tls: TlsMaterial | undefined;
}

/** The other live controllers, with a connection to each. */
export class Peers {
  readonly #controllers: Pick<LiveControllers, 'otherAddresses'>;
  readonly #tls: { readonly current: TlsMaterial | undefined };
  readonly #channels = new Map<string, PeerChannel>();

  constructor(
    controllers: Pick<LiveControllers, 'otherAddresses'>,
    tls: { readonly current: TlsMaterial | undefined },
  ) {
    this.#controllers = controllers;
    this.#tls = tls;
  }

  /** Every other live controller. Closes the connections to those that have died. */
  all(): Peer[] {
    const live = this.#controllers.otherAddresses();
    const addresses = new Set(live.values());
    for (const [address, { channel }] of this.#channels) {
      if (addresses.has(address)) continue;
      channel.close();
      this.#channels.delete(address);
    }
    return [...live].map(([id, address]) => ({
      id,
      fleet: this.#fleetClient(address),
      rollouts: createClient(RolloutServiceDefinition, this.#channel(address)),
    }));
  }

  /** The client of one controller; undefined when it is not alive. */
  find(id: string): FleetServiceClient | undefined {
    const address = this.#controllers.otherAddresses().get(id);
    return address === undefined ? undefined : this.#fleetClient(address);
  }

  close(): void {
    for (const { channel } of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  #fleetClient(address: string): FleetServiceClient {
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
