import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Real logs of many systems (https://github.com/logpai/loghub), beside a developer's checkout. */
export const LOGHUB = join(import.meta.dirname, '..', '..', '..', 'shared', 'data', 'loghub');

/** The reason to skip tests that need it, if it is missing. */
export const needsLoghub = { skip: existsSync(LOGHUB) ? false : `${LOGHUB} is not there` };
