import { Answer, type Ask, type AskError, type RewindQuestion } from '../../proto/gen/logfleet/v1/ask.ts';
import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import {
  type AskAgentsRequest,
  type AskAgentsResponse,
  type GetDiagnosticsRequest,
  GetDiagnosticsResponse,
  type PreviewEntryRequest,
  PreviewEntryResponse,
  type RestartEntryRequest,
  RestartEntryResponse,
  type RewindEntryRequest,
  RewindEntryResponse,
  type SetLogLevelRequest,
  SetLogLevelResponse,
  type TapEntryRequest,
  TapEntryResponse,
} from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { entryViolations, withEntryDefaults } from '../../proto/rules/entry-rules.ts';
import { agentName } from '../../proto/rules/names.ts';
import { parseSelector } from '../../proto/rules/selector.ts';
import type { Author } from '../entries/author.ts';
import type { EntryView } from '../entries/entry-view.ts';
import { ApiError, type ApiErrorCode, invalidArgument } from '../errors/api-error.ts';
import type { AgentRequest } from '../fleet/agent-requests.ts';
import { type ChosenAgents, chooseAgents } from './choose-agents.ts';
import { labelSelector, requireAgentId } from './listing.ts';
import { type RequestContext, requestAgents, type Targets } from './request-agents.ts';
import { rewindRequest } from './rewind-request.ts';

/** How long an agent may take, in ms. */
const TIMEOUT = { default: 10_000, max: 60_000 };
/** An agent reports its own timeout; this long after it the request fails anyway. */
const TIMEOUT_GRACE_MS = 1_000;
const SILENCE_MAX_MS = 120_000;
const TAP_MS = 3_600_000;
/** A tapped agent sends a part at least every 2 s. */
const TAP_SILENCE_MIN_MS = 5_000;
/** Lines per second of a tap. */
const RATE = { default: 20, max: 1_000 };
/** How long a preview watches the files, in ms. */
const WATCH = { default: 1_000, max: 30_000 };
/** Files in a preview. */
const FILES = { default: 50, max: 1_000 };
/** Lines of each file in a preview. */
const LINES = { default: 3, max: 20 };
/** Agents that one call may send a request to. */
const AGENTS_MAX = { tap: 200, preview: 1_000, other: 10_000 };
/** Calls at a time. */
const CALLS_MAX = 64;
const LEVELS = ['debug', 'info', 'warn', 'error'];
/** The name for the preview of an entry that has none yet. */
const UNNAMED = 'entries/preview';

/** The calls of FleetService that send requests to agents, wherever they are connected. */
export class AgentRequestCalls {
  readonly #context: RequestContext;
  readonly #entries: EntryView;
  #calls = 0;

  constructor(context: RequestContext, entries: EntryView) {
    this.#context = context;
    this.#entries = entries;
  }

  async *tapEntry(request: TapEntryRequest, signal: AbortSignal): AsyncGenerator<TapEntryResponse> {
    const { name } = request;
    const chosen = this.#chooseFor(this.#entries.get(name), request.labelSelector, AGENTS_MAX.tap);
    yield TapEntryResponse.create({ asked: chosen.asked });
    const tap = { entry: name, linesPerSecond: clamp(request.linesPerSecond, RATE) };
    const tapRequest = { timeoutMs: TAP_MS, question: { $case: 'tap', value: tap } } as const;
    const silenceMs = Math.max(TAP_SILENCE_MIN_MS, clamp(request.timeoutMs, TIMEOUT));
    for await (const { agent, answer } of this.#request(chosen.targets, tapRequest, silenceMs, signal)) {
      const { part, error, done } = answer ?? Answer.create();
      const lines = part?.$case === 'tap' && { part: part.value };
      if (lines || error || done) yield TapEntryResponse.create({ agent, ...lines, ...(error && { error }) });
    }
  }

  async *previewEntry(request: PreviewEntryRequest, signal: AbortSignal): AsyncGenerator<PreviewEntryResponse> {
    const entry = parsePreview(request.entry);
    const chosen = this.#chooseFor(entry, request.labelSelector, AGENTS_MAX.preview);
    yield PreviewEntryResponse.create({ asked: chosen.asked });
    const watchMs = clamp(request.watchMs, WATCH);
    const lines = request.lines < 0 ? 0 : clamp(request.lines, LINES);
    const value = { entry, watchMs, filesMax: clamp(request.filesMax, FILES), lines };
    const timeoutMs = watchMs + clamp(request.timeoutMs, TIMEOUT);
    for await (const { agent, part, error } of this.#requestOnce(
      chosen,
      { $case: 'preview', value },
      timeoutMs,
      signal,
    ))
      yield PreviewEntryResponse.create({ agent, ...(part?.$case === 'preview' && { preview: part.value }), error });
  }

  async *restartEntry(request: RestartEntryRequest, signal: AbortSignal): AsyncGenerator<RestartEntryResponse> {
    const { name } = request;
    const chosen = this.#chooseFor(this.#entries.get(name), request.labelSelector, AGENTS_MAX.other);
    yield RestartEntryResponse.create({ asked: chosen.asked });
    const body = { $case: 'restart', value: { entry: name } } as const;
    const timeoutMs = clamp(request.timeoutMs, TIMEOUT);
    for await (const { agent, part, error } of this.#requestOnce(chosen, body, timeoutMs, signal))
      yield RestartEntryResponse.create({ agent, ...(part?.$case === 'restart' && { restarted: part.value }), error });
  }

  /** `onRequest` is called with the request before it is sent. */
  async *rewindEntry(
    request: RewindEntryRequest,
    { author, onRequest }: { author: Author; onRequest(request: RewindQuestion): void },
    signal: AbortSignal,
  ): AsyncGenerator<RewindEntryResponse> {
    const entry = this.#entries.get(request.name);
    const value = rewindRequest(request, entry, { author, now: new Date(this.#context.clock.nowMs()) });
    const id = request.agent === '' ? undefined : this.#requireAgent(request.agent);
    const chosen = this.#chooseFor(entry, request.labelSelector, AGENTS_MAX.other, id);
    onRequest(value);
    yield RewindEntryResponse.create({ asked: chosen.asked, replayId: value.replayId });
    const timeoutMs = clamp(request.timeoutMs, TIMEOUT);
    for await (const { agent, part, error } of this.#requestOnce(chosen, { $case: 'rewind', value }, timeoutMs, signal))
      yield RewindEntryResponse.create({ agent, ...(part?.$case === 'rewind' && { rewound: part.value }), error });
  }

  async *setLogLevel(request: SetLogLevelRequest, signal: AbortSignal): AsyncGenerator<SetLogLevelResponse> {
    const { name, level, forMs } = request;
    if (!LEVELS.includes(level)) {
      const description = `${JSON.stringify(level)} is not a level: give one of ${LEVELS.join(', ')}`;
      throw invalidArgument([{ field: 'level', description }]);
    }
    if (forMs < 0n) throw invalidArgument([{ field: 'for_ms', description: 'is negative' }]);
    if (name === '' && request.labelSelector === '')
      throw invalidArgument([{ field: 'name', description: 'is required, or a label_selector' }]);
    const id = name === '' ? undefined : this.#requireAgent(name);
    const chosen = this.#choose([labelSelector(request.labelSelector)], AGENTS_MAX.other, id);
    yield SetLogLevelResponse.create({ asked: chosen.asked });
    const body = { $case: 'logLevel', value: { level, forMs } } as const;
    const timeoutMs = clamp(request.timeoutMs, TIMEOUT);
    for await (const { agent, part, error } of this.#requestOnce(chosen, body, timeoutMs, signal))
      yield SetLogLevelResponse.create({ agent, ...(part?.$case === 'logLevel' && { logLevel: part.value }), error });
  }

  async *getDiagnostics(request: GetDiagnosticsRequest, signal: AbortSignal): AsyncGenerator<GetDiagnosticsResponse> {
    const id = this.#requireAgent(request.name);
    const { targets } = this.#choose([], 1, id);
    if (targets.size === 0) throw new ApiError('UNAVAILABLE', `${request.name} is not connected`);
    const timeoutMs = clamp(request.timeoutMs, TIMEOUT);
    const diagnostics = { timeoutMs, question: { $case: 'diagnostics', value: {} } } as const;
    for await (const { answer } of this.#request(targets, diagnostics, timeoutMs + TIMEOUT_GRACE_MS, signal)) {
      if (answer?.error) throw toApiError(request.name, answer.error);
      if (answer?.part?.$case === 'diagnostics') yield GetDiagnosticsResponse.create({ data: answer.part.value });
    }
  }

  async *askAgents(request: AskAgentsRequest, signal: AbortSignal): AsyncGenerator<AskAgentsResponse> {
    const ids = request.agents.map(requireAgentId);
    const { ask, silenceMs } = request;
    if (ids.length > AGENTS_MAX.other)
      throw invalidArgument([
        { field: 'agents', description: `has ${ids.length} agents: at most ${AGENTS_MAX.other}` },
      ]);
    if (!ask || silenceMs < 1 || silenceMs > SILENCE_MAX_MS) {
      const field = ask ? 'silence_ms' : 'ask';
      throw invalidArgument([{ field, description: ask ? `give 1 to ${SILENCE_MAX_MS}` : 'is required' }]);
    }
    yield* this.#request(new Map([[this.#context.agents.controllerId, ids]]), ask, silenceMs, signal);
  }

  /** Yields one response for each agent. */
  async *#requestOnce(
    { targets }: ChosenAgents,
    body: NonNullable<Ask['question']>,
    timeoutMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<{ agent: string; part: Answer['part']; error: AskError | undefined }> {
    const parts = new Map<string, Answer['part']>();
    for await (const { agent, answer } of this.#request(
      targets,
      { timeoutMs, question: body },
      timeoutMs + TIMEOUT_GRACE_MS,
      signal,
    )) {
      if (answer?.part) parts.set(agent, answer.part);
      if (!answer?.done) continue;
      yield { agent, part: answer.error ? undefined : parts.get(agent), error: answer.error };
      parts.delete(agent);
    }
  }

  async *#request(
    targets: Targets,
    request: AgentRequest,
    silenceMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<AskAgentsResponse> {
    if (this.#calls >= CALLS_MAX)
      throw new ApiError(
        'RESOURCE_EXHAUSTED',
        `${CALLS_MAX} calls of this kind are running at this controller: try again later`,
      );
    this.#calls++;
    try {
      yield* requestAgents(targets, { request, silenceMs }, this.#context, signal);
    } finally {
      this.#calls--;
    }
  }

  #chooseFor(entry: Entry, selector: string, max: number, id?: string): ChosenAgents {
    return this.#choose([parseSelector(entry.selector), labelSelector(selector)], max, id);
  }

  #choose(selectors: Parameters<typeof chooseAgents>[1]['selectors'], max: number, id?: string): ChosenAgents {
    return chooseAgents(this.#context.agents.all(), { selectors, max, id });
  }

  #requireAgent(name: string): string {
    const id = requireAgentId(name);
    if (this.#context.agents.find(id)) return id;
    throw new ApiError('NOT_FOUND', `there is no ${agentName(id)}`);
  }
}

function clamp(value: number, { default: fallback, max }: { default: number; max: number }): number {
  return value <= 0 ? fallback : Math.min(value, max);
}

/** The entry to preview. Throws INVALID_ARGUMENT as CreateEntry does. */
function parsePreview(requested: Entry | undefined): Entry {
  const entry = withEntryDefaults({ ...(requested ?? Entry.create()), name: requested?.name || UNNAMED });
  const violations = entryViolations(entry);
  if (violations.length === 0) return entry;
  throw invalidArgument(violations.map(({ field, description }) => ({ field: `entry.${field}`, description })));
}

function toApiError(agent: string, { code, message }: AskError): ApiError {
  const known = code.replace(/^CODE_/, '');
  return new ApiError(known === 'UNSPECIFIED' ? 'INTERNAL' : (known as ApiErrorCode), `${agent}: ${message}`);
}
