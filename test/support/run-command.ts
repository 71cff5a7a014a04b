import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const main = join(import.meta.dirname, '..', '..', 'cli', 'main.ts');

/** Two entries in YAML, for `apply -f -`. */
export const WEB_AND_DB = `entries:
- name: web
  paths: ["/var/log/web/*.log"]
  topic: web
  labels: {team: a}
- name: db
  paths: ["/var/log/db/*.log", "/srv/db.log"]
  topic: db
  selector: role=db
`;

/** How a command has ended. */
export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `logfleet` with a controller's address until it ends. `input` is its standard input. */
export async function runCommand(
  address: string,
  args: readonly string[],
  { input = '', env = {} }: { input?: string | undefined; env?: NodeJS.ProcessEnv } = {},
): Promise<CommandResult> {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, LOGFLEET_CONTROLLER: address, ...env },
  });
  child.stdin.end(input);
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, stdout, stderr };
}
