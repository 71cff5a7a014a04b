import { entryName } from '../../proto/rules/names.ts';
import { Failures, tellAsked } from '../rpc/asked.ts';
import type { ControllerApi } from '../rpc/client.ts';

/** `logfleet restart entry NAME` */
export async function restart(
  api: ControllerApi,
  name: string,
  { selector: labelSelector, timeoutMs }: { selector: string; timeoutMs: number },
  write: (text: string) => void,
): Promise<void> {
  const failures = new Failures();
  const request = { name: entryName(name), labelSelector, timeoutMs };
  for await (const { asked, agent, restarted, error } of api.follow(api.fleet.restartEntry(request))) {
    if (asked) tellAsked(asked, `entry ${name}`, labelSelector);
    if (error) failures.tell(agent, error);
    if (!restarted) continue;
    failures.answered();
    write(`entry/${name} restarted on ${agent.replace(/^agents\//, '')}, ${restarted.files} files\n`);
  }
  failures.conclude('have not restarted it');
}
