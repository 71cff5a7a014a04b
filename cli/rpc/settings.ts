import { ClientError, Status } from 'nice-grpc';
import { AgentSettings } from '../../proto/gen/logfleet/v1/agent_settings.ts';
import { agentName } from '../../proto/rules/names.ts';
import { CliError } from '../cli-error.ts';
import type { ControllerApi } from './client.ts';

/** Others may change the same settings at the same moment: so often it is tried with what they have made of them. */
const ATTEMPTS_MAX = 5;

type Fields = Partial<Pick<AgentSettings, 'paused' | 'pausedEntries' | 'maxBytesPerSecond' | 'draining'>>;

/** `web-17` → `agents/web-17/settings` */
export function settingsName(agent: string): string {
  return `${agentName(agent)}/settings`;
}

export function getSettings(api: ControllerApi, agent: string): Promise<AgentSettings> {
  return api.call((options) => api.fleet.getAgentSettings({ name: settingsName(agent) }, options));
}

/** Changes those fields of an agent's settings that `change` gives; warnings are told on standard error. */
export async function changeSettings(
  api: ControllerApi,
  agent: string,
  change: (former: AgentSettings) => Fields,
  changeReason: string,
): Promise<AgentSettings> {
  for (let attempt = 1; ; attempt++) {
    const former = await getSettings(api, agent);
    const fields = change(former);
    const settings = AgentSettings.create({ ...fields, name: former.name, etag: former.etag || '0' });
    const request = { settings, updateMask: Object.keys(fields), changeReason };
    try {
      const answer = await api.call((options) => api.fleet.updateAgentSettings(request, options));
      for (const warning of answer.warnings) process.stderr.write(`warning: ${warning}\n`);
      return answer.settings ?? former;
    } catch (error) {
      if (!isAborted(error) || attempt >= ATTEMPTS_MAX) throw error;
    }
  }
}

function isAborted(error: unknown): boolean {
  return error instanceof CliError && error.cause instanceof ClientError && error.cause.code === Status.ABORTED;
}
