import { CodedError } from '../../runtime/errors.ts';

/**
 * A failure of etcd.
 *
 * - UNAVAILABLE: etcd did not respond. The message says whether it may have written. Retryable.
 * - DENIED: etcd rejected the user or its permissions.
 * - TOO_LARGE: the request has more bytes than etcd accepts.
 * - TOO_MANY: the transaction has more operations than etcd accepts.
 * - FULL: etcd has reached its storage quota.
 * - REFUSED: etcd refused the request for any other reason.
 */
export class StoreError extends CodedError<'UNAVAILABLE' | 'DENIED' | 'REFUSED' | 'TOO_LARGE' | 'TOO_MANY' | 'FULL'> {}
