import { errorCode } from './errors.ts';

/** What to do when files can't be watched, by the error: inotify_init1(2), inotify_add_watch(2). */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: 'raise fs.inotify.max_user_watches, the limit on watches of this user',
  EMFILE:
    'raise fs.inotify.max_user_instances, the limit on inotify instances of this user, or the limit on open files of this process (ulimit -n)',
};

/** The remedy for an error of `fs.watch`; empty if none is known. */
export function inotifyRemedy(error: unknown): string {
  return REMEDIES[errorCode(error) ?? ''] ?? '';
}
