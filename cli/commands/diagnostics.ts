import { agentName } from '../../proto/rules/names.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import type { ControllerApi } from '../rpc/client.ts';

/** `logfleet diagnostics agent NAME > bundle.tar.gz` */
export async function diagnostics(api: ControllerApi, name: string, timeoutMs: number): Promise<void> {
  if (process.stdout.isTTY)
    throw new CliError(exitCodes.usage, `the bundle is no text: logfleet diagnostics agent ${name} > ${name}.tar.gz`);
  const request = { name: agentName(name), timeoutMs };
  for await (const { data } of api.follow(api.fleet.getDiagnostics(request)))
    await new Promise<void>((resolve) => process.stdout.write(data, () => resolve()));
}
