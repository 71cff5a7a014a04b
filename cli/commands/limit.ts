import { Argument, Command } from 'commander';
import { entryName } from '../../proto/rules/names.ts';
import { formatByteRate } from '../../runtime/units.ts';
import { parseOneTarget } from '../kinds/target.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { changeSettings, refuseAllowMissing, type SettingsOptions } from '../rpc/settings.ts';
import { allowMissingOption, KindArgument, nameArgument, parseRateArgument, reasonOption } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

/** `logfleet limit entry|agent NAME RATE` */
export function limitCommand({ withApi, write }: CommandContext): Command {
  const command = new Command('limit')
    .addArgument(new KindArgument('<kind>', ['entry', 'agent']))
    .addArgument(nameArgument('<name>'))
    .addArgument(
      new Argument('<rate>', 'bytes per second, such as 5MiB; none for no limit').argParser(parseRateArgument),
    )
    .addOption(reasonOption())
    .addOption(allowMissingOption())
    .action((kind: string, name: string, rate: bigint, options: SettingsOptions) =>
      withApi((api) => limit(api, [kind, name], rate, options, write)),
    );
  return withHelp(command, {
    summary: 'limit how many bytes per second are read',
    details: [
      'The limit applies to one entry on each of its agents, or to all entries on one agent. It takes effect at once; the minimum is 1KiB. Lines beyond it stay in their files and count as lag.',
    ],
    examples: [
      ['Limit an entry on each agent', 'logfleet limit entry nginx-access 1MiB'],
      ['Limit an agent', 'logfleet limit agent web-17 5MiB --reason "until the link is repaired"'],
      ['Remove the limit', 'logfleet limit agent web-17 none'],
    ],
  });
}

async function limit(
  api: ControllerApi,
  words: readonly string[],
  maxBytesPerSecond: bigint,
  options: SettingsOptions,
  write: (text: string) => void,
): Promise<void> {
  const { kind, name } = parseOneTarget(words, ['entry', 'agent']);
  if (kind === 'agent') await changeSettings(api, name, () => ({ maxBytesPerSecond }), options);
  else {
    refuseAllowMissing(options);
    const { reason = '' } = options;
    const entry = { name: entryName(name), maxBytesPerSecond };
    const request = { entry, updateMask: ['max_bytes_per_second'], changeReason: reason };
    await api.call((callOptions) => api.entries.updateEntry(request, callOptions));
  }
  const where = kind === 'entry' ? ' on each agent' : '';
  const outcome = maxBytesPerSecond === 0n ? 'not limited' : `limited to ${formatByteRate(maxBytesPerSecond)}${where}`;
  write(`${kind}/${name} ${outcome}\n`);
}
