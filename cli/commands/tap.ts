import type { TapLine } from '../../proto/gen/logfleet/v1/ask.ts';
import { entryName } from '../../proto/rules/names.ts';
import { count, harmless } from '../format.ts';
import { Failures, tellAsked } from '../rpc/asked.ts';
import type { ControllerApi } from '../rpc/client.ts';

export interface TapOptions {
  selector: string;
  rate: number;
  output: 'table' | 'json';
  prefix: boolean;
  timeoutMs: number;
}

const LINE_FEED = Buffer.from('\n');

/** `logfleet tap entry NAME`: until ctrl-C, or until nobody reads any more. */
export async function tap(api: ControllerApi, name: string, options: TapOptions): Promise<void> {
  const { selector: labelSelector, rate: linesPerSecond, timeoutMs } = options;
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const request = { name: entryName(name), labelSelector, linesPerSecond, timeoutMs };
  const render = rendererOf(options);
  const failures = new Failures();
  const totals = { lines: 0, leftOut: 0n, dropped: 0n };
  let isTapping = false;
  try {
    for await (const { asked, agent, part, error } of api.follow(
      api.fleet.tapEntry(request, { signal: stop.signal }),
    )) {
      if (asked) tellAsked(asked, `entry ${name}`, labelSelector);
      isTapping ||= asked !== undefined;
      if (error) failures.tell(agent, error);
      else if (agent !== '' && !part) failures.answered();
      if (!part) continue;
      if (part.dropped > 0n && totals.dropped === 0n)
        process.stderr.write('warning: lines are dropped, for they are not taken as fast as they come\n');
      totals.lines += part.lines.length;
      totals.leftOut += part.leftOut;
      totals.dropped += part.dropped;
      // One at a time: while nobody reads, agents drop lines and count them.
      if (part.lines.length > 0) await written(Buffer.concat(part.lines.map((line) => render(agent, line))));
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    const { lines, leftOut, dropped } = totals;
    if (isTapping)
      process.stderr.write(`${count(lines)} lines shown, ${count(leftOut)} left out, ${count(dropped)} dropped\n`);
  }
  if (!stop.signal.aborted) failures.conclude('do not answer');
}

function rendererOf({ output, prefix }: TapOptions): (agent: string, line: TapLine) => Buffer {
  if (output === 'json') return (agent, line) => Buffer.from(`${JSON.stringify(documentOf(agent, line))}\n`);
  // What a line, or a file's name, says to a terminal must not be done by it.
  const shown = (bytes: Buffer) => (process.stdout.isTTY ? Buffer.from(harmless(bytes.toString())) : bytes);
  return (agent, line) => {
    const before = prefix ? `${agent.replace(/^agents\//, '')} ${line.path} ` : '';
    const cut = line.lineBytes > line.line.length ? ` …+${line.lineBytes - line.line.length} bytes` : '';
    return shown(Buffer.concat([Buffer.from(before), line.line, Buffer.from(cut), LINE_FEED]));
  };
}

function documentOf(agent: string, { path, generation, start, end, line, lineBytes }: TapLine) {
  const text = line.toString();
  const isText = Buffer.from(text).equals(line);
  const content = isText ? { line: text } : { line_base64: line.toString('base64') };
  return { agent, path, generation, start: Number(start), end: Number(end), ...content, line_bytes: lineBytes };
}

function written(bytes: Buffer): Promise<void> {
  return new Promise((resolve) => process.stdout.write(bytes, () => resolve()));
}
