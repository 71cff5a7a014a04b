import { type Command, Option } from 'commander';
import { parseCountArgument, parseLongDurationArgument, parseSizeArgument } from './arguments.ts';

const COUNT_MAX = 999_999_999;

/** Adds the options of `apply` that make a rollout plan: PlanOptions. */
export function addRolloutOptions(command: Command): Command {
  return command
    .option('--rollout <steps...>', 'apply in steps, such as 1,10%,all or env=canary,10%; all is the last step')
    .addOption(
      new Option('--step-wait <duration>', 'how long each step must stay healthy')
        .argParser(parseLongDurationArgument)
        .default(undefined, '0s'),
    )
    .addOption(
      new Option('--on-failure <action>', 'what to do when a step fails')
        .choices(['halt', 'undo'])
        .default(undefined, 'halt'),
    )
    .addOption(
      new Option('--max-failed <count>', 'how many agents may fail before the rollout halts')
        .argParser(parseCountArgument(0, COUNT_MAX))
        .default(undefined, '0'),
    )
    .addOption(
      new Option('--max-lost <size>', 'how many bytes may be lost before the rollout halts')
        .argParser(parseSizeArgument)
        .default(undefined, '0B'),
    )
    .addOption(
      new Option('--max-lag <size>', 'how far an agent may lag before the rollout halts')
        .argParser(parseSizeArgument)
        .default(undefined, 'unlimited'),
    )
    .addOption(
      new Option('--progress-deadline <duration>', 'how long the agents of a step may take to apply the change')
        .argParser(parseLongDurationArgument)
        .default(undefined, '10m'),
    );
}
