import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { freePort } from '../../stack/free-port.ts';
import { serves } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { type ApiClient, apiClient } from '../support/grpc-client.ts';
import { startProcess, type TestProcess } from '../support/process.ts';

/** This repository, as it is. */
export const HERE = resolve(import.meta.dirname, '..', '..');

export interface ControllerOf {
  process: TestProcess;
  address: string;
  api: ApiClient;
}

/**
 * Starts the controller of a checkout, on a free port unless one is given, and waits until it
 * serves.
 */
export async function startControllerOf(checkout: string, args: readonly string[], port = 0): Promise<ControllerOf> {
  const address = `127.0.0.1:${await freePort(port)}`;
  const process = startProcess(resolve(checkout, 'controller/main.ts'), ['--listen', address, ...args]);
  await eventually(() => serves(address), { timeoutMs: 30_000 });
  return { process, address, api: apiClient(address) };
}

/** Starts the agent of a checkout. It reports and scans often. */
export function startAgentOf(checkout: string, args: readonly string[]): TestProcess {
  const often = ['--report-interval', '500ms', '--scan-interval', '1s'];
  return startProcess(resolve(checkout, 'agent/main.ts'), [...args, ...often]);
}

// biome-ignore lint/suspicious/noExplicitAny: a message as the .proto files describe it.
type Agent = any;

/** Waits until an agent meets a condition, and returns what the controller knows of it. */
export function agentWhere(api: ApiClient, id: string, isMet: (agent: Agent) => boolean, timeoutMs = 60_000) {
  return eventually(
    async () => {
      const agent: Agent = await api.call('FleetService', 'GetAgent', { name: `agents/${id}` });
      assert.ok(isMet(agent), JSON.stringify(agent));
      return agent;
    },
    { timeoutMs },
  );
}
