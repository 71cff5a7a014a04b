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
import type { EntryStore } from '../entries/entry-store.ts';
import { reasonViolations } from '../entries/entry-writes.ts';
import { ApiError, invalidArgument } from '../errors/api-error.ts';
import { settingsAgentId } from '../settings/settings-record.ts';
import type { SettingsStore } from '../settings/settings-store.ts';
import { authorOf } from './author.ts';
import { isField } from './field-mask.ts';
import { listing } from './listing.ts';

/** Fields that writers set; the others are the server's. */
const writable = ['paused', 'pausedEntries', 'maxBytesPerSecond', 'draining'] as const;
const byServer = ['name', 'reason', 'etag', 'updateTime', 'author'];
/** The etag of a write that expects nothing to be set. */
const NONE = '0';
/** Of entries that do not exist so many are named. */
const NAMED_MAX = 3;

export interface SettingsParts {
  settings: SettingsStore;
  entries: EntryStore;
  clock: Clock;
}

/** The calls about agents' settings. */
export class SettingsCalls {
  readonly #settings: SettingsStore;
  readonly #entries: EntryStore;
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

  /** `find`: the agent as the fleet knows it, undefined when it has never seen it. */
  async update(
    request: UpdateAgentSettingsRequest,
    context: CallContext,
    find: (name: string) => Promise<Agent | undefined>,
  ): Promise<UpdateAgentSettingsResponse> {
    const { settings: asked, updateMask, changeReason, validateOnly } = request;
    if (!asked) throw invalidArgument([{ field: 'settings', description: 'is required' }]);
    const id = requireAgent(asked.name, 'settings.name');
    const fields = maskedFields(asked, updateMask?.length ? updateMask : undefined);
    const also = [...maskViolations(updateMask ?? []), ...reasonViolations('change_reason', changeReason)];
    const { name: author, authenticated } = authorOf(context);
    const told = {
      ...{ reason: changeReason, author: authenticated || author === '' ? author : `${author}?` },
      updateTime: new Date(this.#clock.nowMs()),
    };
    let planned: AgentSettings | undefined;
    const settings = await this.#settings.update(id, (former) => {
      const next = changed(former, asked, fields, also);
      if (isSame(former, next)) return former;
      planned = { ...next, ...told };
      return validateOnly ? former : planned;
    });
    const result = validateOnly ? (planned ?? settings) : settings;
    return { settings: result, warnings: this.#warnings(result, id, await find(agentName(id))) };
  }

  #warnings({ pausedEntries }: AgentSettings, id: string, agent: Agent | undefined): string[] {
    const unknown = pausedEntries.filter((name) => !this.#entries.find(name));
    const more = unknown.length > NAMED_MAX ? `, and ${unknown.length - NAMED_MAX} more` : '';
    const warnings =
      unknown.length > 0 ? [`there is no ${unknown.slice(0, NAMED_MAX).join(', ')}${more}: paused when there is`] : [];
    if (!agent) warnings.push(`no agent ${id} was ever seen: it holds when it comes`);
    else if (agent.liveness !== 'LIVENESS_LIVE') warnings.push(`${id} is not connected: it holds when it comes`);
    else if (agent.error !== '') warnings.push(`${id}: ${agent.error}`);
    else if (!agent.capabilities.includes('settings'))
      warnings.push(
        `${id} runs version ${agent.identity?.version || 'unknown'}, which does not follow settings: upgrade it`,
      );
    return warnings;
  }
}

function changed(
  former: AgentSettings,
  asked: AgentSettings,
  fields: readonly (typeof writable)[number][],
  also: readonly FieldViolation[],
): AgentSettings {
  if (asked.etag !== '' && asked.etag !== (former.etag || NONE)) {
    const now = former.etag === '' ? 'there are none now' : `they are at ${former.etag} now`;
    throw new ApiError('ABORTED', `${former.name} have changed since revision ${asked.etag}: ${now}`);
  }
  const next = { ...former };
  for (const field of fields) Object.assign(next, { [field]: asked[field] });
  next.pausedEntries = [...new Set(next.pausedEntries)].sort();
  const unknown = Object.keys(asked._unknownFields ?? {}).map((tag) => ({
    field: `settings.#${Number(tag) >>> 3}`,
    description: 'is not known to this version of logfleet: leave it out, or upgrade',
  }));
  const violations = agentSettingsViolations(next).map((one) => ({ ...one, field: `settings.${one.field}` }));
  const all = [...violations, ...unknown, ...also];
  if (all.length > 0) throw invalidArgument(all);
  return next;
}

function isSame(a: AgentSettings, b: AgentSettings): boolean {
  return writable.every((field) => String(a[field]) === String(b[field]));
}

function maskedFields(asked: AgentSettings, mask: readonly string[] | undefined) {
  if (mask === undefined)
    return writable.filter((field) => asked[field] && String(asked[field]) !== '0' && String(asked[field]) !== '');
  return mask.includes('*') ? writable : writable.filter((field) => mask.some((path) => isField(path)(field)));
}

function maskViolations(mask: readonly string[]): FieldViolation[] {
  const unknown = mask.filter((path) => path !== '*' && ![...writable, ...byServer].some(isField(path)));
  return unknown.map((path) => ({
    field: 'update_mask',
    description: `${JSON.stringify(path)} is not a field of an agent's settings`,
  }));
}

function requireAgent(name: string, field: string): string {
  const id = settingsAgentId(name);
  if (id) return id;
  const description = `${JSON.stringify(name)} is not a name of an agent's settings: agents/ID/settings`;
  throw invalidArgument([{ field, description }]);
}
