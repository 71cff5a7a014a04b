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
import type { EntryStore } from '../entries/entry-store.ts';
import { ApiError, type ApiErrorCode, invalidArgument } from '../errors/api-error.ts';
import type { Question } from '../fleet/agent-asks.ts';
import { type AskTools, askAgents, type Targets } from './ask-agents.ts';
import { type Chosen, chooseAgents } from './choose-agents.ts';
import { labelSelector, requireAgentId } from './listing.ts';
import { rewindQuestion } from './rewind-request.ts';

const TIMEOUT = { default: 10_000, max: 60_000 };
/** An agent says itself that it has no answer in time: it has so long to do so. */
const WORDS_MS = 1_000;
const SILENCE_MAX_MS = 120_000;
const TAP_MS = 3_600_000;
/** A tapped agent has a word every 2 s. */
const TAP_SILENCE_MIN_MS = 5_000;
const RATE = { default: 20, max: 1_000 };
const WATCH = { default: 1_000, max: 30_000 };
const FILES = { default: 50, max: 1_000 };
const LINES = { default: 3, max: 20 };
/** Agents that are asked by one call. */
const AGENTS_MAX = { tap: 200, preview: 1_000, other: 10_000 };
/** Calls that ask agents at once. */
const CALLS_MAX = 64;
const LEVELS = ['debug', 'info', 'warn', 'error'];
/** A preview that is no entry yet. */
const UNNAMED = 'entries/preview';

/** The calls that ask agents, wherever they are connected. */
export class AgentQuestions {
  readonly #tools: AskTools & { store: EntryStore };
  #calls = 0;

  constructor(tools: AskTools & { store: EntryStore }) {
    this.#tools = tools;
  }

  async *tapEntry(request: TapEntryRequest, signal: AbortSignal): AsyncGenerator<TapEntryResponse> {
    const { name } = request;
    const chosen = this.#chooseFor(this.#tools.store.get(name), request.labelSelector, AGENTS_MAX.tap);
    yield TapEntryResponse.create({ asked: chosen.asked });
    const tap = { entry: name, linesPerSecond: within(request.linesPerSecond, RATE) };
    const question = { timeoutMs: TAP_MS, question: { $case: 'tap', value: tap } } as const;
    const silenceMs = Math.max(TAP_SILENCE_MIN_MS, within(request.timeoutMs, TIMEOUT));
    for await (const { agent, answer } of this.#ask(chosen.targets, question, silenceMs, signal)) {
      const { part, error, done } = answer ?? Answer.create();
      const lines = part?.$case === 'tap' && { part: part.value };
      if (lines || error || done) yield TapEntryResponse.create({ agent, ...lines, ...(error && { error }) });
    }
  }

  async *previewEntry(request: PreviewEntryRequest, signal: AbortSignal): AsyncGenerator<PreviewEntryResponse> {
    const entry = checkedPreview(request.entry);
    const chosen = this.#chooseFor(entry, request.labelSelector, AGENTS_MAX.preview);
    yield PreviewEntryResponse.create({ asked: chosen.asked });
    const watchMs = within(request.watchMs, WATCH);
    const lines = request.lines < 0 ? 0 : within(request.lines, LINES);
    const value = { entry, watchMs, filesMax: within(request.filesMax, FILES), lines };
    const timeoutMs = watchMs + within(request.timeoutMs, TIMEOUT);
    for await (const { agent, part, error } of this.#askOnce(chosen, { $case: 'preview', value }, timeoutMs, signal))
      yield PreviewEntryResponse.create({ agent, ...(part?.$case === 'preview' && { preview: part.value }), error });
  }

  async *restartEntry(request: RestartEntryRequest, signal: AbortSignal): AsyncGenerator<RestartEntryResponse> {
    const { name } = request;
    const chosen = this.#chooseFor(this.#tools.store.get(name), request.labelSelector, AGENTS_MAX.other);
    yield RestartEntryResponse.create({ asked: chosen.asked });
    const question = { $case: 'restart', value: { entry: name } } as const;
    const timeoutMs = within(request.timeoutMs, TIMEOUT);
    for await (const { agent, part, error } of this.#askOnce(chosen, question, timeoutMs, signal))
      yield RestartEntryResponse.create({ agent, ...(part?.$case === 'restart' && { restarted: part.value }), error });
  }

  /** `tell`: what the agents are asked, before they are. */
  async *rewindEntry(
    request: RewindEntryRequest,
    { author, tell }: { author: Author; tell(question: RewindQuestion): void },
    signal: AbortSignal,
  ): AsyncGenerator<RewindEntryResponse> {
    const entry = this.#tools.store.get(request.name);
    const value = rewindQuestion(request, entry, author);
    const id = request.agent === '' ? undefined : this.#requireAgent(request.agent);
    const chosen = this.#chooseFor(entry, request.labelSelector, AGENTS_MAX.other, id);
    tell(value);
    yield RewindEntryResponse.create({ asked: chosen.asked, replayId: value.replayId });
    const timeoutMs = within(request.timeoutMs, TIMEOUT);
    for await (const { agent, part, error } of this.#askOnce(chosen, { $case: 'rewind', value }, timeoutMs, signal))
      yield RewindEntryResponse.create({ agent, ...(part?.$case === 'rewind' && { rewound: part.value }), error });
  }

  async *setLogLevel(request: SetLogLevelRequest, signal: AbortSignal): AsyncGenerator<SetLogLevelResponse> {
    const { name, level, forMs } = request;
    if (!LEVELS.includes(level)) {
      const description = `${JSON.stringify(level)} is not a level: give ${LEVELS.join(', ')}`;
      throw invalidArgument([{ field: 'level', description }]);
    }
    if (forMs < 0n) throw invalidArgument([{ field: 'for_ms', description: 'is negative' }]);
    if (name === '' && request.labelSelector === '')
      throw invalidArgument([{ field: 'name', description: 'is required, or a label_selector' }]);
    const id = name === '' ? undefined : this.#requireAgent(name);
    const chosen = this.#choose([labelSelector(request.labelSelector)], AGENTS_MAX.other, id);
    yield SetLogLevelResponse.create({ asked: chosen.asked });
    const question = { $case: 'logLevel', value: { level, forMs } } as const;
    const timeoutMs = within(request.timeoutMs, TIMEOUT);
    for await (const { agent, part, error } of this.#askOnce(chosen, question, timeoutMs, signal))
      yield SetLogLevelResponse.create({ agent, ...(part?.$case === 'logLevel' && { logLevel: part.value }), error });
  }

  async *getDiagnostics(request: GetDiagnosticsRequest, signal: AbortSignal): AsyncGenerator<GetDiagnosticsResponse> {
    const id = this.#requireAgent(request.name);
    const { targets } = this.#choose([], 1, id);
    if (targets.size === 0) throw new ApiError('UNAVAILABLE', `${request.name} is not connected`);
    const timeoutMs = within(request.timeoutMs, TIMEOUT);
    const question = { timeoutMs, question: { $case: 'diagnostics', value: {} } } as const;
    for await (const { answer } of this.#ask(targets, question, timeoutMs + WORDS_MS, signal)) {
      if (answer?.error) throw asApiError(request.name, answer.error);
      if (answer?.part?.$case === 'diagnostics') yield GetDiagnosticsResponse.create({ data: answer.part.value });
    }
  }

  async *askAgents(request: AskAgentsRequest, signal: AbortSignal): AsyncGenerator<AskAgentsResponse> {
    const ids = request.agents.map(requireAgentId);
    const { ask, silenceMs } = request;
    if (ids.length > AGENTS_MAX.other)
      throw invalidArgument([{ field: 'agents', description: `are ${ids.length}: at most ${AGENTS_MAX.other}` }]);
    if (!ask || silenceMs < 1 || silenceMs > SILENCE_MAX_MS) {
      const field = ask ? 'silence_ms' : 'ask';
      throw invalidArgument([{ field, description: ask ? `give 1 to ${SILENCE_MAX_MS}` : 'is required' }]);
    }
    yield* this.#ask(new Map([[this.#tools.fleet.controllerId, ids]]), ask, silenceMs, signal);
  }

  /** Each agent's one answer. */
  async *#askOnce(
    { targets }: Chosen,
    question: NonNullable<Ask['question']>,
    timeoutMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<{ agent: string; part: Answer['part']; error: AskError | undefined }> {
    const parts = new Map<string, Answer['part']>();
    for await (const { agent, answer } of this.#ask(targets, { timeoutMs, question }, timeoutMs + WORDS_MS, signal)) {
      if (answer?.part) parts.set(agent, answer.part);
      if (!answer?.done) continue;
      yield { agent, part: answer.error ? undefined : parts.get(agent), error: answer.error };
      parts.delete(agent);
    }
  }

  async *#ask(
    targets: Targets,
    question: Question,
    silenceMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<AskAgentsResponse> {
    if (this.#calls >= CALLS_MAX)
      throw new ApiError('RESOURCE_EXHAUSTED', `this controller asks for ${CALLS_MAX} others already: try again later`);
    this.#calls++;
    try {
      yield* askAgents(targets, { question, silenceMs }, this.#tools, signal);
    } finally {
      this.#calls--;
    }
  }

  #chooseFor(entry: Entry, selector: string, max: number, id?: string): Chosen {
    return this.#choose([parseSelector(entry.selector), labelSelector(selector)], max, id);
  }

  #choose(selectors: Parameters<typeof chooseAgents>[1]['selectors'], max: number, id?: string): Chosen {
    return chooseAgents(this.#tools.fleet.whereabouts(), { selectors, max, id });
  }

  #requireAgent(name: string): string {
    const id = requireAgentId(name);
    for (const { identity } of this.#tools.fleet.whereabouts()) if (identity.agentId === id) return id;
    throw new ApiError('NOT_FOUND', `there is no ${agentName(id)}`);
  }
}

function within(value: number, { default: fallback, max }: { default: number; max: number }): number {
  return value <= 0 ? fallback : Math.min(value, max);
}

/** Throws INVALID_ARGUMENT, as CreateEntry does. */
function checkedPreview(asked: Entry | undefined): Entry {
  const entry = withEntryDefaults({ ...(asked ?? Entry.create()), name: asked?.name || UNNAMED });
  const violations = entryViolations(entry);
  if (violations.length === 0) return entry;
  throw invalidArgument(violations.map(({ field, description }) => ({ field: `entry.${field}`, description })));
}

function asApiError(agent: string, { code, message }: AskError): ApiError {
  const known = code.replace(/^CODE_/, '');
  return new ApiError(known === 'UNSPECIFIED' ? 'INTERNAL' : (known as ApiErrorCode), `${agent}: ${message}`);
}
