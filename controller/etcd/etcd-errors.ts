import { isRecoverableError } from 'etcd3';
import { errorText } from '../../runtime/errors.ts';
import { StoreError } from './store-error.ts';

/** Makes a request of etcd, and says as a StoreError what went wrong with it. */
export async function etcdCall<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    const text = errorText(error);
    if (/permission denied|authentication failed|invalid auth token/i.test(text)) {
      throw new StoreError('DENIED', `etcd refuses: ${text}; check etcd.user`, { cause: error });
    }
    // Much larger ones are refused by gRPC before etcd sees them, as if it were for the moment only.
    if (/request is too large|received message larger than max/i.test(text))
      throw new StoreError('TOO_LARGE', 'larger than etcd takes (1.5 MiB by default)', { cause: error });
    if (/too many operations/i.test(text))
      throw new StoreError('TOO_MANY', 'more operations than etcd takes (128 by default)', { cause: error });
    if (/database space exceeded/i.test(text)) {
      const remedy =
        'compact it and `etcdctl defrag` every member, or start every member with a larger --quota-backend-bytes; then `etcdctl alarm disarm`';
      throw new StoreError('FULL', `etcd is full and takes no writes: ${remedy}`, { cause: error });
    }
    if (isRecoverableError(error as Error) || /UNAVAILABLE|DEADLINE|no leader|timed out/i.test(text)) {
      throw new StoreError('UNAVAILABLE', 'etcd gives no answer', { cause: error, retryable: true });
    }
    throw new StoreError('REFUSED', `etcd refuses: ${text}`, { cause: error });
  }
}
