import { Argument, InvalidArgumentError, Option } from 'commander';
import { parseSelector } from '../../proto/rules/selector.ts';
import { parseByteRate, parseByteSize, parseDuration } from '../../runtime/units.ts';
import { type KindName, pluralsOf } from '../kinds/kinds.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';

/** The longest duration that timers and int32 fields can hold. */
const DURATION_MAX_MS = 2 ** 31 - 1;

/** The first argument of commands that act on resources. Help and completion read its kinds. */
export class KindArgument extends Argument {
  readonly kinds: readonly KindName[];
  readonly completions: readonly string[];

  constructor(flags: '<kind>' | '[kind]', kinds: readonly KindName[], completions: readonly string[] = kinds) {
    super(flags, kinds.length === 1 ? kinds.join() : pluralsOf(kinds));
    this.kinds = kinds;
    this.completions = completions;
  }
}

/** Any number of names. */
export function namesArgument(): Argument {
  return new Argument('[name...]', 'names; or write kind/name for each');
}

/** One name. It is optional, or variadic, where `kind/name` may stand for both arguments. */
export function nameArgument(flags: '<name>' | '[name]' | '[name...]'): Argument {
  return new Argument(flags, 'a name; or write kind/name');
}

export function selectorOption(description: string): Option {
  return new Option('-l, --selector <selector>', description).argParser(parseSelectorArgument);
}

export function agentSelectorOption(): Option {
  return selectorOption('only agents whose labels match').default('', 'all agents');
}

export function outputOption<Format extends string>(formats: readonly Format[], fallback: Format): Option {
  return new Option('-o, --output <format>', 'output format').choices(formats).default(fallback);
}

export function filenameOption(): Option {
  return new Option('-f, --filename <file...>', 'YAML or JSON files, folders of them, or - for standard input');
}

export function reasonOption(): Option {
  return new Option('--reason <text>', 'why, for the history');
}

export function allowMissingOption(): Option {
  return new Option(
    '--allow-missing',
    'also accept an agent that has never connected; it applies the change once it connects',
  );
}

export function dryRunOption(): Option {
  return new Option('--dry-run', 'let the controller validate the change without making it');
}

/** `10s`, `250ms`, `5m`; a bare number is in seconds. Returns milliseconds. */
export function parseDurationArgument(text: string): number {
  const ms = Math.round(parseDuration(text, 's') ?? 0);
  if (ms >= 1 && ms <= DURATION_MAX_MS) return ms;
  throw new InvalidArgumentError('Give a duration such as 10s, from 1ms to 596h.');
}

/** As `parseDurationArgument`, but of any length, 0 too. */
export function parseLongDurationArgument(text: string): number {
  const ms = parseDuration(text, 's');
  if (ms !== undefined) return Math.round(ms);
  throw new InvalidArgumentError('Give a duration such as 30s.');
}

export function parseSizeArgument(text: string): number {
  const bytes = parseByteSize(text, 'B');
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError('Give a size such as 64MiB.');
}

export function parseRateArgument(text: string): bigint {
  const bytesPerSecond = parseByteRate(text);
  if (bytesPerSecond !== undefined) return bytesPerSecond;
  throw new InvalidArgumentError('Give a rate in bytes per second, such as 512KiB or 5MiB, or none.');
}

export function parseRevisionArgument(text: string): bigint {
  if (/^[1-9]\d{0,17}$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError('Give a revision, a whole number; logfleet history lists them.');
}

/**
 * Parses a number within the range that the controller accepts: it clamps others without saying so.
 */
export function parseCountArgument(min: number, max: number): (text: string) => number {
  return (text) => {
    const count = /^\d{1,9}$/.test(text) ? Number(text) : -1;
    if (count >= min && count <= max) return count;
    throw new InvalidArgumentError(`Give a number from ${min} to ${max}.`);
  };
}

function parseSelectorArgument(text: string): string {
  try {
    parseSelector(text);
    return text;
  } catch (error) {
    throw new CliError(exitCodes.usage, `--selector: ${(error as Error).message}`, { cause: error });
  }
}
