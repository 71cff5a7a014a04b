import type { CallContext } from 'nice-grpc';
import { AgentSettings } from '../../proto/gen/logfleet/v1/agent_settings.ts';
import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import type {
  GetAgentSettingsRequest,
  ListAgentSettingsRequest,
  ListAgentSettingsResponse,
  UpdateAgentSettingsRequest,
  UpdateAgentSettingsResponse,
} from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { agentSettingsViolations } from '../../proto/rules/agent-settings-rules.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { agentName } from '../../proto/rules/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import { reasonViolations } from '../entries/entry-changes.ts';
import type { EntryView } from '../entries/entry-view.ts';
import { ApiError, invalidArgument } from '../errors/api-error.ts';
import { settingsAgentId } from '../settings/settings-record.ts';
import type { SettingsRepository } from '../settings/settings-repository.ts';
import { authorOf } from './author.ts';
import { isField } from './field-mask.ts';
import { listing } from './listing.ts';

/** Fields that clients set. The server sets the others. */
const writable = ['paused', 'pausedEntries', 'maxBytesPerSecond', 'draining'] as const;
const setByServer = ['name', 'reason', 'etag', 'updateTime', 'author'];
/** The etag for settings that do not exist. */
const NO_ETAG = '0';
/** How many entries that do not exist a warning names. */
const NAMED_MAX = 3;

export interface SettingsParts {
  settings: SettingsRepository;
  entries: EntryView;
  clock: Clock;
}

/** The calls of FleetService about the settings of agents. */
export class SettingsCalls {
  readonly #settings: SettingsRepository;
  readonly #entries: EntryView;
  readonly #clock: Clock;

  constructor({ settings, entries, clock }: SettingsParts) {
    this.#settings = settings;
    this.#entries = entries;
    this.#clock = clock;
  }

  get({ name }: GetAgentSettingsRequest): AgentSettings {
    return this.#settings.get(requireAgent(name, 'name'));
  }

  list(request: ListAgentSettingsRequest): ListAgentSettingsResponse {
    const { page: pageOf } = listing({ ...request, labelSelector: '', filter: 'settings' });
    const items = this.#settings.all().sort((a, b) => (a.name < b.name ? -1 : 1));
    const { page, nextPageToken } = pageOf(items, (settings) => AgentSettings.encode(settings).finish().length);
    return { settings: page, nextPageToken };
  }

  /** `find` resolves with the agent, or undefined when it has never connected. */
  async update(
    request: UpdateAgentSettingsRequest,
    context: CallContext,
    find: (name: string) => Promise<Agent | undefined>,
  ): Promise<UpdateAgentSettingsResponse> {
    const { settings: requested, updateMask, changeReason, validateOnly, allowMissing } = request;
    if (!requested) throw invalidArgument([{ field: 'settings', description: 'is required' }]);
    const id = requireAgent(requested.name, 'settings.name');
    const fields = maskedFields(requested, updateMask?.length ? updateMask : undefined);
    const violations = [...maskViolations(updateMask ?? []), ...reasonViolations('change_reason', changeReason)];
    const { name: author, authenticated } = authorOf(context);
    const facts = {
      ...{ reason: changeReason, author: authenticated || author === '' ? author : `${author}?` },
      updateTime: new Date(this.#clock.nowMs()),
    };
    const agent = await find(agentName(id));
    let planned: AgentSettings | undefined;
    const settings = await this.#settings.update(id, (present) => {
      const next = applyFields(present, requested, fields, violations);
      if (!agent && present.etag === '' && !allowMissing) throw agentNotFound(id);
      if (areEqual(present, next)) return present;
      planned = { ...next, ...facts };
      return validateOnly ? present : planned;
    });
    const result = validateOnly ? (planned ?? settings) : settings;
    return { settings: result, warnings: this.#warnings(result, id, agent) };
  }

  #warnings({ pausedEntries }: AgentSettings, id: string, agent: Agent | undefined): string[] {
    const unknown = pausedEntries.filter((name) => !this.#entries.find(name));
    const more = unknown.length > NAMED_MAX ? `, and ${unknown.length - NAMED_MAX} more` : '';
    const warnings =
      unknown.length > 0
        ? [`there is no ${unknown.slice(0, NAMED_MAX).join(', ')}${more}: it will be paused once it exists`]
        : [];
    if (!agent) warnings.push(`agent ${id} has never connected: the settings apply once it does`);
    else if (agent.liveness !== 'LIVENESS_LIVE') warnings.push(`${id} is not connected: the settings apply once it is`);
    else if (agent.error !== '') warnings.push(`${id}: ${agent.error}`);
    else if (!agent.capabilities.includes('settings'))
      warnings.push(
        `${id} runs version ${agent.identity?.version || 'unknown'}, which does not support settings: upgrade it`,
      );
    return warnings;
  }
}

function applyFields(
  present: AgentSettings,
  requested: AgentSettings,
  fields: readonly (typeof writable)[number][],
  known: readonly FieldViolation[],
): AgentSettings {
  if (requested.etag !== '' && requested.etag !== (present.etag || NO_ETAG)) {
    const now = present.etag === '' ? 'there are none now' : `they are at revision ${present.etag} now`;
    throw new ApiError('ABORTED', `${present.name} have changed since revision ${requested.etag}: ${now}`);
  }
  const next = { ...present };
  for (const field of fields) Object.assign(next, { [field]: requested[field] });
  next.pausedEntries = [...new Set(next.pausedEntries)].sort();
  const unknown = Object.keys(requested._unknownFields ?? {}).map((tag) => ({
    field: `settings.#${Number(tag) >>> 3}`,
    description: 'is not known to this version of logfleet: leave it out, or upgrade',
  }));
  const violations = agentSettingsViolations(next).map((one) => ({ ...one, field: `settings.${one.field}` }));
  const all = [...violations, ...unknown, ...known];
  if (all.length > 0) throw invalidArgument(all);
  return next;
}

function agentNotFound(id: string): ApiError {
  const remedy = 'check the id, or set allow_missing (--allow-missing) if the agent will connect later';
  return new ApiError('NOT_FOUND', `there is no ${agentName(id)}: ${remedy}`);
}

function areEqual(a: AgentSettings, b: AgentSettings): boolean {
  return writable.every((field) => String(a[field]) === String(b[field]));
}

function maskedFields(requested: AgentSettings, mask: readonly string[] | undefined) {
  if (mask === undefined)
    return writable.filter(
      (field) => requested[field] && String(requested[field]) !== '0' && String(requested[field]) !== '',
    );
  return mask.includes('*') ? writable : writable.filter((field) => mask.some((path) => isField(path)(field)));
}

function maskViolations(mask: readonly string[]): FieldViolation[] {
  const unknown = mask.filter((path) => path !== '*' && ![...writable, ...setByServer].some(isField(path)));
  return unknown.map((path) => ({
    field: 'update_mask',
    description: `${JSON.stringify(path)} is not a field of an agent's settings`,
  }));
}

function requireAgent(name: string, field: string): string {
  const id = settingsAgentId(name);
  if (id) return id;
  const description = `${JSON.stringify(name)} is not the name of an agent's settings: agents/ID/settings`;
  throw invalidArgument([{ field, description }]);
}
