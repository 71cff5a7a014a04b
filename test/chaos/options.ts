import { parseArgs } from 'node:util';
import { SABOTAGES, type Sabotage } from './faults.ts';
import { ROTATIONS, type Rotation } from './file-writer.ts';
import { FAULT_KINDS, type FaultKind } from './schedule.ts';

export interface Options {
  help: boolean;
  seed: number;
  minutes: number;
  kills: number;
  linesPerSecond: number;
  brokers: number;
  rotations: readonly Rotation[];
  kinds: readonly FaultKind[];
  sabotage: Sabotage | undefined;
  /** A collector to measure by the same schedule. */
  peer: Peer | undefined;
  save: boolean;
  keep: boolean;
}

const PEERS = ['rsyslog'] as const;
export type Peer = (typeof PEERS)[number];

const ROTATIONS_DEFAULT: readonly Rotation[] = ['rename', 'rename-out', 'copytruncate', 'delete'];
/** What all collectors promise. */
const PEER_ROTATIONS: readonly Rotation[] = ['rename', 'rename', 'rename'];
const KILL_SECONDS = 6;

export const HELP = `Writes files, rotates them, breaks everything on the way to Kafka, and proves from the topic what was lost, doubled or altered.

Usage: npm run chaos -- [options]
       npm run chaos -- --files [options]: changes files at random instead; see --files --help

  --seed N          decides the faults, their times and all that is written (default: by the clock, and printed)
  --minutes M       how long faults come (default: 2)
  --kills K         kill -9 of the agent, spread over that time (default: one in ${KILL_SECONDS} s)
  --rate N          lines a second, over all files (default: 2000)
  --brokers N       Kafka brokers (default: 3)
  --rotations …     how the files are rotated, a file each: ${ROTATIONS.join(', ')}
                    (default: ${ROTATIONS_DEFAULT.join(',')}; the last two take lines away that may not have been read: some become loss)
  --faults …        which faults come: ${FAULT_KINDS.slice(0, 5).join(', ')},
                    ${FAULT_KINDS.slice(5).join(', ')} (default: all)
  --sabotage WHAT   old-state: every other kill gives the agent its state of the kill before · no-state: each kill leaves it none;
                    what comes twice then must be found
  --peer rsyslog    the same seed and schedule for logfleet and for a peer: by default kills of the collector only, three files rotated by rename,
                    and lines of printable ASCII; the exit code is logfleet's
  --save            write the figures to bench/results/ and bench/RESULTS.md
  --keep            keep the folder with files, state and the processes' output, also after a run without violations

Exit code 1 when a line was lost, doubled or altered, 2 when the run could not be made.

Examples:
  npm run chaos -- --seed 1 --minutes 1
  npm run chaos -- --seed 1 --minutes 20 --kills 200 --save
  npm run chaos -- --seed 1 --minutes 1 --faults kill-agent --rotations rename,delete
  npm run chaos -- --seed 1 --minutes 1 --sabotage old-state
  npm run chaos -- --seed 1 --minutes 4 --kills 20 --peer rsyslog
`;

/** Throws an Error that names what is wrong. */
export function readOptions(args: readonly string[], nowMs: number): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      minutes: { type: 'string', default: '2' },
      kills: { type: 'string' },
      rate: { type: 'string', default: '2000' },
      brokers: { type: 'string', default: '3' },
      rotations: { type: 'string' },
      faults: { type: 'string' },
      sabotage: { type: 'string' },
      peer: { type: 'string' },
      save: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const minutes = positive('minutes', values.minutes);
  const peer = values.peer === undefined ? undefined : one('peer', values.peer, PEERS);
  return {
    help: values.help,
    seed: values.seed === undefined ? nowMs % 1_000_000 : whole('seed', values.seed, 0),
    minutes,
    kills: values.kills === undefined ? Math.round((minutes * 60) / KILL_SECONDS) : whole('kills', values.kills, 0),
    linesPerSecond: whole('rate', values.rate, 1),
    brokers: whole('brokers', values.brokers, 1),
    rotations: some('rotations', values.rotations, ROTATIONS, peer ? PEER_ROTATIONS : ROTATIONS_DEFAULT),
    kinds: some('faults', values.faults, FAULT_KINDS, peer ? ['kill-agent'] : FAULT_KINDS),
    sabotage: values.sabotage === undefined ? undefined : one('sabotage', values.sabotage, SABOTAGES),
    peer,
    save: values.save,
    keep: values.keep,
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new Error(`--${name}: ${text} is no number above 0`);
  return value;
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new Error(`--${name}: ${text} is no whole number from ${least} on`);
  return value;
}

function some<T extends string>(
  name: string,
  text: string | undefined,
  known: readonly T[],
  otherwise: readonly T[],
): readonly T[] {
  if (text === undefined) return otherwise;
  return text.split(',').map((word) => one(name, word, known));
}

function one<T extends string>(name: string, word: string, known: readonly T[]): T {
  const found = known.find((item) => item === word);
  if (found === undefined) throw new Error(`--${name}: ${word} is unknown; there are ${known.join(', ')}`);
  return found;
}
