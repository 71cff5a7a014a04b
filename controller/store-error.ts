import { CodedError } from '../runtime/errors.ts';

/** What can go wrong with the controller's store. UNAVAILABLE: etcd gave no answer; nothing is known to have changed. */
export class StoreError extends CodedError<'UNAVAILABLE' | 'DENIED' | 'REFUSED' | 'TOO_LARGE'> {}
