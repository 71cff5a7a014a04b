import { type Command, Option } from 'commander';
import { parseCountArgument, parseLongDurationArgument, parseSizeArgument } from './arguments.ts';

const COUNT_MAX = 999_999_999;

/** Adds the options of `apply` that make a rollout plan: PlanOptions. */
export function addRolloutOptions(command: Command): Command {
  return command
    .option('--rollout <steps...>', 'apply in steps, such as 1,10%,all or env=canary,10%; all is the last step')
    .addOption(
      new Option('--step-wait <duration>', 'how long each step must stay healthy (default: 0s)').argParser(
        parseLongDurationArgument,
      ),
    )
    .addOption(
      new Option('--on-failure <action>', 'what to do when a step fails (default: halt)').choices(['halt', 'undo']),
    )
    .addOption(
      new Option('--max-failed <count>', 'how many agents may fail before the rollout halts (default: 0)').argParser(
        parseCountArgument(0, COUNT_MAX),
      ),
    )
    .addOption(
      new Option('--max-lost <size>', 'how many bytes may be lost before the rollout halts (default: 0B)').argParser(
        parseSizeArgument,
      ),
    )
    .addOption(
      new Option(
        '--max-lag <size>',
        'how far an agent may lag before the rollout halts (default: unlimited)',
      ).argParser(parseSizeArgument),
    )
    .addOption(
      new Option(
        '--progress-deadline <duration>',
        'how long the agents of a step may take to apply the change (default: 10m)',
      ).argParser(parseLongDurationArgument),
    );
}
