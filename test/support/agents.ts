import { startProcess, type TestProcess } from './process.ts';

export interface AgentOptions {
  id: string;
  /** Addresses, separated by commas. */
  controller: string;
  kafka: readonly string[];
  state: string;
  labels?: Record<string, string>;
  args?: readonly string[];
  /** A user without rights, for files that it may not read: the tests may run as root. */
  uid?: number;
}

/** A real agent process of a fleet. It reports twice a second. */
export function startAgent({ id, controller, kafka, state, labels = {}, args = [], uid }: AgentOptions): TestProcess {
  const given = ['--id', id, '--controller', controller, '--kafka', kafka.join(','), '--state', state];
  const own = Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]);
  const often = ['--report-interval', '500ms', '--scan-interval', '1s'];
  return startProcess('agent/main.ts', [...given, ...own, ...often, ...args], {}, uid);
}
