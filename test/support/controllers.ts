import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { eventually } from './eventually.ts';
import { type ApiClient, apiClient, rawCall } from './grpc-client.ts';
import { startProcess, type TestProcess } from './process.ts';

export interface RunningController extends AsyncDisposable {
  address: string;
  process: TestProcess;
  api: ApiClient;
}

/** A key prefix for one test, so that tests can share an etcd. */
export function newPrefix(): string {
  return `/test-${randomUUID()}/`;
}

/** The response of grpc.health.v1 as bytes: field 1, the status, is 1 (SERVING). */
const SERVING = Buffer.from([8, 1]);

/** Checks grpc.health.v1. Rejects unless it is SERVING. */
export async function serves(address: string): Promise<void> {
  assert.deepEqual(await rawCall(address, '/grpc.health.v1.Health/Check', Buffer.alloc(0)), SERVING);
}

/**
 * A real controller process that is ready: it has read the entries, and the other controllers know
 * it. On a free port unless `args` name one.
 */
export async function startController(etcd: string, prefix: string, ...args: string[]): Promise<RunningController> {
  const listen = args.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
  const common = [...listen, '--etcd', etcd, '--etcd.prefix', prefix];
  const process = startProcess('controller/main.ts', [...common, ...args]);
  const { address } = (await process.logged('listening', { timeoutMs: 20_000 })) as { address: string };
  await eventually(() => serves(address), { timeoutMs: 20_000 });
  const api = apiClient(address);
  return {
    address,
    process,
    api,
    [Symbol.asyncDispose]: async () => {
      api[Symbol.dispose]();
      await process[Symbol.asyncDispose]();
    },
  };
}
