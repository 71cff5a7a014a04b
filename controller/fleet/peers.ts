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

/** The other live controllers, with a connection to each. */
export class Peers {
  readonly #controllers: LiveControllers;
  readonly #tls: TlsMaterial | undefined;
  readonly #channels = new Map<string, Channel>();

  constructor(controllers: LiveControllers, tls: TlsMaterial | undefined) {
    this.#controllers = controllers;
    this.#tls = tls;
  }

  /** Every other live controller. Closes the connections to those that have died. */
  all(): Peer[] {
    const live = this.#controllers.otherAddresses();
    const addresses = new Set(live.values());
    for (const [address, channel] of this.#channels) {
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
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  #fleetClient(address: string): FleetServiceClient {
    return createClient(FleetServiceDefinition, this.#channel(address));
  }

  #channel(address: string): Channel {
    let channel = this.#channels.get(address);
    if (!channel) {
      channel = this.#connect(address);
      this.#channels.set(address, channel);
    }
    return channel;
  }

  #connect(address: string): Channel {
    const options: ChannelOptions = { 'grpc.max_receive_message_length': -1, 'grpc.keepalive_time_ms': 10_000 };
    if (!this.#tls) return createChannel(address, ChannelCredentials.createInsecure(), options);
    const tls = grpcTls(this.#tls);
    return createChannel(address, ChannelCredentials.createSsl(...tls.credentials), { ...options, ...tls.channel });
  }
}
