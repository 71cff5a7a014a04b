import { type FormatFacts, type LineFormat, lineFormat, sharedFormat } from '../../agent/encode/line-format.ts';

const PLAIN: FormatFacts = { host: 'web-17', entry: 'nginx', headers: 'standard', maxLineBytes: 1000 };

/** A format of a file at `/var/log/a b.log`, with defaults except for what is given. */
export function testFormat(facts: Partial<FormatFacts> = {}): LineFormat {
  return lineFormat(sharedFormat({ ...PLAIN, ...facts }), { path: '/var/log/a b.log', generation: '00ff' });
}
