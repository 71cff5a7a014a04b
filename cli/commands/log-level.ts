import { agentName } from '../../proto/rules/names.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { Failures } from '../rpc/asked.ts';
import type { ControllerApi } from '../rpc/client.ts';

/** `logfleet loglevel agent NAME LEVEL` */
export async function logLevel(
  api: ControllerApi,
  name: string,
  { level, forMs, timeoutMs }: { level: string; forMs: number; timeoutMs: number },
  write: (text: string) => void,
): Promise<void> {
  const failures = new Failures();
  const request = { name: agentName(name), level, forMs: BigInt(Math.round(forMs)), timeoutMs };
  for await (const { asked, error, logLevel: now } of api.follow(api.fleet.setLogLevel(request))) {
    if (asked?.asked === 0) throw new CliError(exitCodes.unreachable, `agent/${name} is not connected`);
    if (error) failures.tell(name, error);
    if (!now) continue;
    failures.answered();
    const until = forMs > 0 ? `, ${now.configured} again in ${forMs / 1000} s` : ', until the agent is restarted';
    write(`agent/${name} logs ${now.level} (was ${now.former})${until}\n`);
  }
  failures.conclude('log as before');
}
