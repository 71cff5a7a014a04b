import { type Command, InvalidArgumentError, Option } from 'commander';
import { type MinLag, ORDERS } from './agent-choice.ts';

const SIZES = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;

/** Adds what agents are chosen and sorted by. `parseDuration` reads a time such as 30s. */
export function addAgentChoice(command: Command, parseDuration: (text: string) => number): Command {
  return command
    .addOption(new Option('--sort-by <what>', 'of agents: what comes first').choices(Object.keys(ORDERS)))
    .addOption(
      new Option('--state <state>', 'of agents: only where an entry, or that of --entry, is so').choices([
        'applying',
        'applied',
        'failed',
        'paused',
      ]),
    )
    .addOption(
      new Option('--liveness <state>', 'of agents: only those that are so').choices(['live', 'stopped', 'lost']),
    )
    .addOption(
      new Option('--min-lag <size or time>', 'of agents: only those that are so far behind: 10MiB, or 30s').argParser(
        (text) => parseMinLag(text, parseDuration),
      ),
    );
}

function parseMinLag(text: string, parseDuration: (text: string) => number): MinLag {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([KMGT]iB|B)$/.exec(text) ?? [];
  if (unit !== undefined) return { bytes: Math.round(Number(number) * SIZES[unit as keyof typeof SIZES]), seconds: 0 };
  if (!/[a-z]$/.test(text)) throw new InvalidArgumentError('give a size such as 10MiB, or a time such as 30s.');
  return { bytes: 0, seconds: parseDuration(text) / 1000 };
}
