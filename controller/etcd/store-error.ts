import { CodedError } from '../../runtime/errors.ts';

/**
 * What can go wrong with the controller's store. UNAVAILABLE: etcd gave no answer; what was asked of it may have been done. TOO_LARGE, TOO_MANY: a
 * request of more bytes, or a transaction of more operations, than it takes. FULL: it has reached its quota.
 */
export class StoreError extends CodedError<'UNAVAILABLE' | 'DENIED' | 'REFUSED' | 'TOO_LARGE' | 'TOO_MANY' | 'FULL'> {}
