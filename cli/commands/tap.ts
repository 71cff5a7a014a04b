import { Command, Option } from 'commander';
import type { TapLine } from '../../proto/gen/logfleet/v1/ask.ts';
import { entryName, shortAgentName } from '../../proto/rules/names.ts';
import { parseOneTarget } from '../kinds/target.ts';
import { count, harmless } from '../output/format.ts';
import { printWarning, writeToStdout } from '../output/messages.ts';
import { AgentOutcomes, warnOfUnreachedAgents } from '../rpc/agent-responses.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { agentSelectorOption, KindArgument, nameArgument, outputOption, parseCountArgument } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

interface TapOptions {
  selector: string;
  rate: number;
  output: 'table' | 'json';
  prefix: boolean;
}

const LINE_FEED = Buffer.from('\n');

/** `logfleet tap entry NAME` */
export function tapCommand({ withApi, timeoutMs }: CommandContext): Command {
  const command = new Command('tap')
    .addArgument(new KindArgument('<kind>', ['entry']))
    .addArgument(nameArgument('[name...]'))
    .addOption(agentSelectorOption())
    .addOption(
      new Option('--rate <lines>', 'the most lines per second from each agent, up to 1000')
        .argParser(parseCountArgument(1, 1_000))
        .default(20),
    )
    .addOption(outputOption(['table', 'json'], 'table'))
    .option('--no-prefix', 'print lines without agent and file')
    .action((kind: string, names: string[], options: TapOptions) => {
      const { name } = parseOneTarget([kind, ...names], ['entry']);
      return withApi((api) => tap(api, name, options, timeoutMs()));
    });
  return withHelp(command, {
    summary: 'show lines of an entry as they are collected',
    details: [
      'Standard output contains lines only. Standard error says how many were skipped or dropped, and which agents do not respond. Delivery does not wait for a tap.',
      'The tap ends with Ctrl-C, or after one hour. Agents that connect after its start are not included.',
    ],
    examples: [
      ['Show the errors of an entry', "logfleet tap entry nginx-access | grep ' 500 '"],
      ['Show more lines of some agents, as JSON', 'logfleet tap entry nginx-access -l env=prod --rate 200 -o json'],
      ['Show a sample of the lines', 'logfleet tap entry nginx-access --no-prefix | head'],
    ],
  });
}

/** Prints lines until a signal arrives or standard output is closed. */
async function tap(api: ControllerApi, name: string, options: TapOptions, timeoutMs: number): Promise<void> {
  const { selector: labelSelector, rate: linesPerSecond } = options;
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const request = { name: entryName(name), labelSelector, linesPerSecond, timeoutMs };
  const render = rendererFor(options);
  const outcomes = new AgentOutcomes();
  const totals = { lines: 0, skipped: 0n, dropped: 0n };
  let isTapping = false;
  try {
    const stream = api.follow(api.fleet.tapEntry(request, { signal: stop.signal }));
    for await (const { asked, agent, part, error } of stream) {
      if (asked) warnOfUnreachedAgents(asked, `entry ${name}`, labelSelector);
      isTapping ||= asked !== undefined;
      if (error) outcomes.addFailure(agent, error);
      else if (agent !== '' && !part) outcomes.addResponse();
      if (!part) continue;
      if (part.dropped > 0n && totals.dropped === 0n)
        printWarning('lines are dropped because standard output is too slow');
      totals.lines += part.lines.length;
      totals.skipped += part.leftOut;
      totals.dropped += part.dropped;
      // Waiting here makes agents drop and count lines while the reader of standard output is slow.
      if (part.lines.length > 0) await writeToStdout(Buffer.concat(part.lines.map((line) => render(agent, line))));
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    const { lines, skipped, dropped } = totals;
    if (isTapping)
      process.stderr.write(`${count(lines)} lines shown, ${count(skipped)} skipped, ${count(dropped)} dropped\n`);
  }
  if (!stop.signal.aborted) outcomes.throwIfFailed('did not respond');
}

function rendererFor({ output, prefix }: TapOptions): (agent: string, line: TapLine) => Buffer {
  if (output === 'json') return (agent, line) => Buffer.from(`${JSON.stringify(documentOf(agent, line))}\n`);
  // Control characters of a line or a file name must not reach a terminal.
  const safe = (bytes: Buffer) => (process.stdout.isTTY ? Buffer.from(harmless(bytes.toString())) : bytes);
  return (agent, line) => {
    const origin = prefix ? `${shortAgentName(agent)} ${line.path} ` : '';
    const cut = line.lineBytes > line.line.length ? ` …+${line.lineBytes - line.line.length} bytes` : '';
    return safe(Buffer.concat([Buffer.from(origin), line.line, Buffer.from(cut), LINE_FEED]));
  };
}

/** Lines that are not UTF-8 are in base64. */
function documentOf(agent: string, { path, generation, start, end, line, lineBytes }: TapLine) {
  const text = line.toString();
  const isText = Buffer.from(text).equals(line);
  const content = isText ? { line: text } : { line_base64: line.toString('base64') };
  return { agent, path, generation, start: Number(start), end: Number(end), ...content, line_bytes: lineBytes };
}
