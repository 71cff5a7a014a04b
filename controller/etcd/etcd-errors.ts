import { isRecoverableError } from 'etcd3';
import { errorText, grpcDetails } from '../../runtime/errors.ts';
import { StoreError } from './store-error.ts';

const CHECK = 'check it with `etcdctl endpoint health`, then';
const READ_AGAIN = `: ${CHECK} try again`;
const WRITE_AGAIN = `, and nothing was written: ${CHECK} try again`;
const UNKNOWN_OUTCOME = `, and may have made the write: ${CHECK} read what you wrote before you write again`;

/** Makes a request to etcd that changes no key. Rejects with StoreError when it fails. */
export async function callEtcd<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw toStoreError(error, READ_AGAIN);
  }
}

/**
 * Makes a request to etcd that writes. Rejects with StoreError when it fails. The message of
 * UNAVAILABLE says whether etcd may have made the write.
 */
export async function writeEtcd<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw toStoreError(error, wasNeverSent(error) ? WRITE_AGAIN : UNKNOWN_OUTCOME);
  }
}

/** The texts of grpc-js for a call that found no connection. */
export function wasNeverSent(error: unknown): boolean {
  const texts = /No connection established|Waiting for LB pick|Name resolution failed|Channel closed before call/;
  return texts.test(errorText(error));
}

/** `unavailable`: what an error says after `etcd does not respond (REASON)`. */
function toStoreError(error: unknown, unavailable: string): StoreError {
  const text = errorText(error);
  if (/permission denied|authentication failed|invalid auth token/i.test(text)) {
    return new StoreError('DENIED', `etcd denies access: ${text}; check etcd.user`, { cause: error });
  }
  // gRPC refuses far larger requests before they reach etcd, with a code that looks temporary.
  if (/request is too large|received message larger than max/i.test(text))
    return new StoreError('TOO_LARGE', 'larger than etcd accepts (1.5 MiB by default)', { cause: error });
  if (/too many operations/i.test(text))
    return new StoreError('TOO_MANY', 'more operations than etcd accepts (128 by default)', { cause: error });
  if (/database space exceeded/i.test(text)) {
    const remedy =
      'compact it and run `etcdctl defrag` for every member, or restart every member with a larger --quota-backend-bytes; then run `etcdctl alarm disarm`';
    return new StoreError('FULL', `etcd is full and accepts no writes: ${remedy}`, { cause: error });
  }
  if (isRecoverableError(error as Error) || /UNAVAILABLE|DEADLINE|no leader|timed out/i.test(text)) {
    const reason = grpcDetails(text.replace(/^\d+ [A-Z_]+: /, ''));
    return new StoreError('UNAVAILABLE', `etcd does not respond (${reason})${unavailable}`, { retryable: true });
  }
  return new StoreError('REFUSED', `etcd refused the request: ${text}`, { cause: error });
}
