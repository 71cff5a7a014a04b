import { randomUUID } from 'node:crypto';
import { type ApiClient, apiClient } from './grpc-client.ts';
import { startProcess, type TestProcess } from './process.ts';

export interface RunningController extends AsyncDisposable {
  address: string;
  process: TestProcess;
  api: ApiClient;
}

/** A prefix of the test's own, so that tests share an etcd. */
export function newPrefix(): string {
  return `/test-${randomUUID()}/`;
}

/** A real controller process, ready to serve; on a free port unless `args` say another. */
export async function startController(etcd: string, prefix: string, ...args: string[]): Promise<RunningController> {
  const listen = args.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
  const common = [...listen, '--etcd', etcd, '--etcd.prefix', prefix];
  const process = startProcess('controller/main.ts', [...common, ...args]);
  const { address } = (await process.logged('listening', { timeoutMs: 20_000 })) as { address: string };
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
