import { isRecoverableError } from 'etcd3';
import { errorText } from '../../runtime/errors.ts';
import { StoreError } from './store-error.ts';

/** Makes a request to etcd. Rejects with StoreError when it fails. */
export async function callEtcd<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    const text = errorText(error);
    if (/permission denied|authentication failed|invalid auth token/i.test(text)) {
      throw new StoreError('DENIED', `etcd denies access: ${text}; check etcd.user`, { cause: error });
    }
    // gRPC refuses far larger requests before they reach etcd, with a code that looks temporary.
    if (/request is too large|received message larger than max/i.test(text))
      throw new StoreError('TOO_LARGE', 'larger than etcd accepts (1.5 MiB by default)', { cause: error });
    if (/too many operations/i.test(text))
      throw new StoreError('TOO_MANY', 'more operations than etcd accepts (128 by default)', { cause: error });
    if (/database space exceeded/i.test(text)) {
      const remedy =
        'compact it and run `etcdctl defrag` for every member, or restart every member with a larger --quota-backend-bytes; then run `etcdctl alarm disarm`';
      throw new StoreError('FULL', `etcd is full and accepts no writes: ${remedy}`, { cause: error });
    }
    if (isRecoverableError(error as Error) || /UNAVAILABLE|DEADLINE|no leader|timed out/i.test(text)) {
      throw new StoreError('UNAVAILABLE', 'etcd does not respond', { cause: error, retryable: true });
    }
    throw new StoreError('REFUSED', `etcd refused the request: ${text}`, { cause: error });
  }
}
