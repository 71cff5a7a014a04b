import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CodedError } from '../runtime/errors.ts';

const run = promisify(execFile);

export class StackError extends CodedError<'MISSING_TOOL' | 'BUILD' | 'NOT_UP' | 'PORT_TAKEN'> {}

const tools = {
  java: { args: ['-version'], remedy: 'install a JDK 17 or newer (Debian: apt-get install openjdk-17-jdk-headless)' },
  mvn: { args: ['--version'], remedy: 'install Maven (Debian: apt-get install maven)' },
  go: { args: ['version'], remedy: 'install Go 1.24 or newer (https://go.dev/dl)' },
} as const;

export type ToolName = keyof typeof tools;

/** Rejects with a remedy if `name` is not on PATH, or if it is a Java that is too old. */
export async function requireTool(name: ToolName, why: string): Promise<void> {
  const { args, remedy } = tools[name];
  let text: string;
  try {
    const { stdout, stderr } = await run(name, [...args]);
    text = stdout + stderr;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const problem = code === 'ENOENT' ? 'which is not on PATH' : `which does not run (${message.split('\n')[0]})`;
    throw new StackError('MISSING_TOOL', `${why} needs ${name}, ${problem}: ${remedy}`);
  }
  if (name !== 'java') return;
  const major = Number(/version "(\d+)/.exec(text)?.[1] ?? 0);
  if (major < 17)
    throw new StackError('MISSING_TOOL', `${why} needs Java 17 or newer, and java is version ${major}: ${remedy}`);
}

/** Runs a build step and returns its output. Rejects with its last lines if it fails. */
export async function buildStep(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  try {
    const { stdout } = await run(command, [...args], {
      cwd,
      env: { ...process.env, ...env },
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    const last = `${stdout}\n${stderr}`.trim().split('\n').slice(-8).join('\n');
    throw new StackError('BUILD', `${command} ${args.join(' ')} failed:\n${last}`);
  }
}
