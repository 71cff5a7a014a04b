import { Answer, Ask, type AskError } from '../../proto/gen/logfleet/v1/ask.ts';
import type { AskAgentsResponse } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { agentName, controllerName } from '../../proto/rules/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { AgentDirectory } from '../fleet/agent-directory.ts';
import { type AgentRequest, errorPart } from '../fleet/agent-requests.ts';
import type { Peers } from '../fleet/peers.ts';
import { ResponseQueue } from './response-queue.ts';

/** Agents that get the request at a time. A tap goes to all of them. */
const CONCURRENCY = 16;
/** How much longer another controller may take than its agents. */
const PEER_GRACE_MS = 2_000;

/** What requests to agents need. */
export interface RequestContext {
  agents: AgentDirectory;
  peers: Peers;
  clock: Clock;
}

/** The ids of the agents to send a request to, by the controller that each is connected to. */
export type Targets = ReadonlyMap<string, readonly string[]>;

/** A request, and how long an agent may take: in a tap for each part, otherwise in total. */
export interface TimedRequest {
  request: AgentRequest;
  silenceMs: number;
}

/**
 * Sends a request to agents, wherever they are connected, and yields the parts of their responses
 * as they arrive. The last part of each agent is `done`; if the agent failed, did not respond or
 * could not be reached, it has the reason. When the reader is slow, samples of a tap are dropped,
 * and other requests are sent later.
 */
export async function* requestAgents(
  targets: Targets,
  timed: TimedRequest,
  context: RequestContext,
  signal: AbortSignal,
): AsyncGenerator<AskAgentsResponse> {
  const queue = new ResponseQueue();
  const ended = new AbortController();
  const end = () => {
    ended.abort();
    queue.close();
  };
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  const round = { ...context, queue, signal: ended.signal };
  const requests = [...targets].map(([controller, ids]) =>
    controller === context.agents.controllerId
      ? requestHere(ids, timed, round)
      : requestElsewhere(controller, ids, timed, round),
  );
  void Promise.all(requests).then(() => queue.close());
  try {
    for (let next = await queue.take(); next; next = await queue.take()) yield next;
  } finally {
    signal.removeEventListener('abort', end);
    end();
  }
}

type Round = RequestContext & { queue: ResponseQueue; signal: AbortSignal };

/** Never rejects. */
async function requestHere(
  ids: readonly string[],
  { request, silenceMs }: TimedRequest,
  { agents, queue, signal }: Round,
): Promise<void> {
  const rest = ids.values();
  const requestNext = async () => {
    for (const id of rest) {
      if (request.question?.$case !== 'tap') await queue.waitForRoom();
      if (signal.aborted) return;
      await requestOne(id);
    }
  };
  const requestOne = (id: string) =>
    new Promise<void>((resolve) => {
      let cancel = () => {};
      const stop = () => {
        signal.removeEventListener('abort', stop);
        cancel();
        resolve();
      };
      const onResponse = (part: Answer, bytes: number) => {
        queue.put(agentName(id), part, bytes);
        if (part.done) stop();
      };
      signal.addEventListener('abort', stop);
      const session = agents.session(id);
      if (session) cancel = session.requests.send(request, silenceMs, onResponse);
      else onResponse(errorPart('CODE_UNAVAILABLE', 'the agent has disconnected'), 0);
    });
  const concurrency = request.question?.$case === 'tap' ? ids.length : Math.min(ids.length, CONCURRENCY);
  await Promise.all(Array.from({ length: concurrency }, requestNext));
}

/** Never rejects. */
async function requestElsewhere(
  controller: string,
  ids: readonly string[],
  { request, silenceMs }: TimedRequest,
  { peers, queue, clock, signal }: Round,
): Promise<void> {
  const remaining = new Set(ids.map(agentName));
  const stop = new AbortController();
  const end = () => stop.abort(signal.reason);
  signal.addEventListener('abort', end, { once: true });
  // The caller may have cancelled before this began.
  if (signal.aborted) end();
  let reason = 'this controller does not know its address yet';
  try {
    const peer = peers.find(controller);
    const forwarded = { agents: [...remaining], ask: Ask.create({ ...request, id: 0n }), silenceMs };
    const stream = peer?.askAgents(forwarded, { signal: stop.signal })[Symbol.asyncIterator]();
    while (stream && remaining.size > 0) {
      const next = await withTimeout(stream.next(), { clock, ms: silenceMs + PEER_GRACE_MS, stop });
      if (next.done) break;
      const { agent, answer } = next.value;
      if (!answer || !remaining.has(agent)) continue;
      if (answer.done) remaining.delete(agent);
      await queue.waitForRoom();
      queue.put(agent, answer, Answer.encode(answer).finish().length);
    }
    reason = 'it sent no result for this agent';
  } catch (error) {
    reason = errorText(error);
  } finally {
    signal.removeEventListener('abort', end);
    stop.abort();
  }
  const code: AskError['code'] = 'CODE_UNAVAILABLE';
  const error = errorPart(code, `${controllerName(controller)} does not respond: ${reason}`);
  for (const agent of remaining) queue.put(agent, error, 0);
}

/** Rejects, and ends the stream, when `next` takes longer than `ms`. */
async function withTimeout<T>(
  next: Promise<T>,
  { clock, ms, stop }: { clock: Clock; ms: number; stop: AbortController },
): Promise<T> {
  const waiting = new AbortController();
  const late = clock.sleep(ms, waiting.signal).then(() => {
    stop.abort();
    throw new Error(`no response within ${ms / 1000} s`);
  });
  try {
    return await Promise.race([next, late]);
  } finally {
    waiting.abort();
    late.catch(() => {});
  }
}
