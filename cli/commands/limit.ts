import { entryName } from '../../proto/rules/names.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { size } from '../format.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { changeSettings } from '../rpc/settings.ts';
import { parseTargets } from '../target.ts';

const UNITS = { B: 1n, KiB: 1n << 10n, MiB: 1n << 20n, GiB: 1n << 30n };

/** `logfleet limit entry|agent NAME BYTES` */
export async function limit(
  api: ControllerApi,
  words: readonly string[],
  maxBytesPerSecond: bigint,
  { reason = '' }: { reason?: string },
  write: (text: string) => void,
): Promise<void> {
  const { kind, names } = parseTargets(words);
  const [name, ...more] = names;
  if ((kind !== 'entry' && kind !== 'agent') || name === undefined || more.length > 0)
    throw new CliError(exitCodes.usage, 'name one entry or one agent, and how much it may read in a second');
  if (kind === 'agent') await changeSettings(api, name, () => ({ maxBytesPerSecond }), reason);
  else {
    const entry = { name: entryName(name), maxBytesPerSecond };
    const request = { entry, updateMask: ['max_bytes_per_second'], changeReason: reason };
    await api.call((options) => api.entries.updateEntry(request, options));
  }
  const on = kind === 'entry' ? ' on each agent' : '';
  write(
    `${kind}/${name} ${maxBytesPerSecond === 0n ? 'not limited' : `limited to ${size(maxBytesPerSecond)}/s${on}`}\n`,
  );
}

/** `5MiB`, `512KiB`, `100000`, `none`; undefined for what is no size. */
export function parseBytes(text: string): bigint | undefined {
  if (text === 'none') return 0n;
  const match = /^(\d{1,12})(\.\d{1,3})? ?(B|KiB|MiB|GiB)?(\/s)?$/.exec(text);
  if (!match) return undefined;
  const [, whole = '', part = '.0', unit = 'B'] = match;
  const thousandths = BigInt(whole) * 1_000n + BigInt(part.slice(1).padEnd(3, '0'));
  return (thousandths * UNITS[unit as keyof typeof UNITS]) / 1_000n;
}
