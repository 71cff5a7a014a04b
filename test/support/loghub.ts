import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Real logs of many systems (https://github.com/logpai/loghub), beside the checkout where it is developed. */
export const LOGHUB = join(import.meta.dirname, '..', '..', '..', 'shared', 'data', 'loghub');

/** For tests that need it: why they are left out, where it is not there. */
export const needsLoghub = { skip: existsSync(LOGHUB) ? false : `${LOGHUB} is not there` };
