import { ClientError, Status } from 'nice-grpc';
import { AgentSettings } from '../../proto/gen/logfleet/v1/agent_settings.ts';
import { agentName } from '../../proto/rules/names.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import { printWarning } from '../output/messages.ts';
import type { ControllerApi } from './client.ts';
import { listAll, PAGE_SIZE } from './pages.ts';

/** Another writer may change the same settings concurrently; each attempt reads them again. */
const ATTEMPTS_MAX = 5;

/** Why the settings change, and whether the agent may be one that has never connected. */
export interface SettingsOptions {
  reason?: string;
  allowMissing?: boolean;
}

/** `--allow-missing` has no meaning for an entry on all agents. Throws CliError if it is given. */
export function refuseAllowMissing({ allowMissing }: SettingsOptions): void {
  if (allowMissing)
    throw new CliError(exitCodes.usage, '--allow-missing is for agents: name an agent, or leave it out');
}

type ChangedFields = Partial<Pick<AgentSettings, 'paused' | 'pausedEntries' | 'maxBytesPerSecond' | 'draining'>>;

/** `web-17` → `agents/web-17/settings` */
export function settingsName(agent: string): string {
  return `${agentName(agent)}/settings`;
}

export function getSettings(api: ControllerApi, agent: string): Promise<AgentSettings> {
  return api.call((options) => api.fleet.getAgentSettings({ name: settingsName(agent) }, options));
}

/** Lists the settings of the agents that have any, ordered by agent. */
export function listSettings(api: ControllerApi): Promise<AgentSettings[]> {
  return listAll(async (pageToken) => {
    const request = { pageToken, pageSize: PAGE_SIZE };
    const { settings, nextPageToken } = await api.call((options) => api.fleet.listAgentSettings(request, options));
    return { items: settings, nextPageToken };
  });
}

/**
 * Changes the fields of an agent's settings that `change` returns for the present settings. Prints
 * the controller's warnings.
 */
export async function changeSettings(
  api: ControllerApi,
  agent: string,
  change: (previous: AgentSettings) => ChangedFields,
  { reason: changeReason = '', allowMissing = false }: SettingsOptions,
): Promise<AgentSettings> {
  for (let attempt = 1; ; attempt++) {
    const previous = await getSettings(api, agent);
    const fields = change(previous);
    const settings = AgentSettings.create({ ...fields, name: previous.name, etag: previous.etag || '0' });
    const request = { settings, updateMask: Object.keys(fields), changeReason, allowMissing };
    try {
      const { settings: updated, warnings } = await api.call((options) =>
        api.fleet.updateAgentSettings(request, options),
      );
      for (const warning of warnings) printWarning(warning);
      return updated ?? previous;
    } catch (error) {
      if (!isAborted(error) || attempt >= ATTEMPTS_MAX) throw error;
    }
  }
}

function isAborted(error: unknown): boolean {
  return error instanceof CliError && error.cause instanceof ClientError && error.cause.code === Status.ABORTED;
}
