import { Etcd3, type IOptions } from 'etcd3';
import { systemClock } from '../../runtime/clock.ts';
import type { Live } from '../../runtime/live-secrets.ts';
import { grpcTls, type TlsMaterial } from '../../runtime/security.ts';
import { etcdCredentials } from './etcd-credentials.ts';
import { callEtcd } from './etcd-errors.ts';
import { EtcdMembers, requireLeader } from './etcd-members.ts';
import { StoreError } from './store-error.ts';

const PROBE_TIMEOUT_MS = 1_000;

/** The options of etcd3, with its recovery replaced by ours. */
export function etcdOptions(
  hosts: string[],
  { tls, user }: EtcdSettings,
  timeoutMs: number,
  members: EtcdMembers,
): IOptions {
  const material = tls?.current;
  return {
    hosts,
    ...(material && { credentials: etcdCredentials(material) }),
    ...(user && { auth: createLogin(user) }),
    faultHandling: members.faultHandling,
    grpcOptions: {
      'grpc.keepalive_time_ms': 7_000,
      'grpc.keepalive_timeout_ms': 3_000,
      'grpc.max_receive_message_length': -1,
      interceptors: [requireLeader],
      ...(material && grpcTls(material).channel),
    },
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: new Date(Date.now() + timeoutMs) }),
  };
}

/** Resolves when a member can read with a quorum. Rejects when it does not respond. */
export async function probe(host: string, settings: EtcdSettings): Promise<void> {
  const members = new EtcdMembers([host], async () => {}, systemClock);
  const client = new Etcd3(etcdOptions([host], settings, PROBE_TIMEOUT_MS, members));
  try {
    await callEtcd(() => client.get('health').exec());
  } catch (error) {
    // A refusal is a response: the member works.
    if (!(error instanceof StoreError) || error.retryable) throw error;
  } finally {
    client.close();
  }
}

/** etcd3 reads the password whenever it logs in. */
function createLogin({ username, password }: EtcdUser) {
  return {
    username,
    get password() {
      return password.current;
    },
  };
}

export interface EtcdUser {
  username: string;
  password: { readonly current: string };
}

export interface EtcdSettings {
  endpoints: readonly string[];
  tls: Live<TlsMaterial | undefined> | undefined;
  user: EtcdUser | undefined;
}
