import { Answer, Ask, type AskError } from '../../proto/gen/logfleet/v1/ask.ts';
import type { AskAgentsResponse } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { agentName } from '../../proto/rules/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import { failed, type Question } from '../fleet/agent-asks.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Peers } from '../fleet/peers.ts';
import { AnswerQueue } from './answer-queue.ts';

/** Agents that answer at once; a tap's all do. */
const AT_ONCE = 16;
/** What another controller needs beyond the time that it gives its agents. */
const PEER_GRACE_MS = 2_000;

export interface AskTools {
  fleet: Fleet;
  peers: Peers;
  clock: Clock;
}

/** Whom to ask: ids of agents, by the controller that they are connected to. */
export type Targets = ReadonlyMap<string, readonly string[]>;

/**
 * Asks agents wherever they are connected, and yields the parts of their answers as they come. Each agent has one last part, `done`: that
 * of one which does not answer, or can't be reached, says why. `silenceMs`: how long an agent may take, or say nothing in a tap. When the
 * reader is slow samples are dropped, and other answers asked for later.
 */
export async function* askAgents(
  targets: Targets,
  { question, silenceMs }: { question: Question; silenceMs: number },
  tools: AskTools,
  signal: AbortSignal,
): AsyncGenerator<AskAgentsResponse> {
  const queue = new AnswerQueue();
  const ended = new AbortController();
  const end = () => {
    ended.abort();
    queue.close();
  };
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  const asked = [...targets].map(([controller, ids]) =>
    controller === tools.fleet.controllerId
      ? askHere(ids, { question, silenceMs }, { ...tools, queue, signal: ended.signal })
      : askThere(controller, ids, { question, silenceMs }, { ...tools, queue, signal: ended.signal }),
  );
  void Promise.all(asked).then(() => queue.close());
  try {
    for (let next = await queue.take(); next; next = await queue.take()) yield next;
  } finally {
    signal.removeEventListener('abort', end);
    end();
  }
}

type Round = AskTools & { queue: AnswerQueue; signal: AbortSignal };

/** Never rejects. */
async function askHere(
  ids: readonly string[],
  { question, silenceMs }: { question: Question; silenceMs: number },
  { fleet, queue, signal }: Round,
): Promise<void> {
  const rest = ids.values();
  const askNext = async () => {
    for (const id of rest) {
      if (question.question?.$case !== 'tap') await queue.room();
      if (signal.aborted) return;
      await askOne(id);
    }
  };
  const askOne = (id: string) =>
    new Promise<void>((resolve) => {
      let cancel = () => {};
      const stop = () => {
        signal.removeEventListener('abort', stop);
        cancel();
        resolve();
      };
      const onAnswer = (answer: Answer, bytes: number) => {
        queue.put(agentName(id), answer, bytes);
        if (answer.done) stop();
      };
      signal.addEventListener('abort', stop);
      const session = fleet.session(id);
      if (session) cancel = session.asks.ask(question, silenceMs, onAnswer);
      else onAnswer(failed('CODE_UNAVAILABLE', 'the agent is not connected any more'), 0);
    });
  const atOnce = question.question?.$case === 'tap' ? ids.length : Math.min(ids.length, AT_ONCE);
  await Promise.all(Array.from({ length: atOnce }, askNext));
}

/** Never rejects. */
async function askThere(
  controller: string,
  ids: readonly string[],
  { question, silenceMs }: { question: Question; silenceMs: number },
  { peers, queue, clock, signal }: Round,
): Promise<void> {
  const left = new Set(ids.map(agentName));
  const stop = new AbortController();
  const end = () => stop.abort(signal.reason);
  signal.addEventListener('abort', end, { once: true });
  // The caller may have gone before it came to this.
  if (signal.aborted) end();
  let reason = 'this controller does not know it yet';
  try {
    const peer = peers.find(controller);
    const request = { agents: [...left], ask: Ask.create({ ...question, id: 0n }), silenceMs };
    const stream = peer?.askAgents(request, { signal: stop.signal })[Symbol.asyncIterator]();
    while (stream && left.size > 0) {
      const next = await inTime(stream.next(), { clock, ms: silenceMs + PEER_GRACE_MS, stop });
      if (next.done) break;
      const { agent, answer } = next.value;
      if (!answer || !left.has(agent)) continue;
      if (answer.done) left.delete(agent);
      await queue.room();
      queue.put(agent, answer, Answer.encode(answer).finish().length);
    }
    reason = 'it has said nothing of this agent';
  } catch (error) {
    reason = errorText(error);
  } finally {
    signal.removeEventListener('abort', end);
    stop.abort();
  }
  const code: AskError['code'] = 'CODE_UNAVAILABLE';
  for (const agent of left) queue.put(agent, failed(code, `controllers/${controller} does not answer: ${reason}`), 0);
}

/** Rejects, and ends the stream, when `next` takes longer than it may. */
async function inTime<T>(
  next: Promise<T>,
  { clock, ms, stop }: { clock: Clock; ms: number; stop: AbortController },
): Promise<T> {
  const waiting = new AbortController();
  const late = clock.sleep(ms, waiting.signal).then(() => {
    stop.abort();
    throw new Error(`no answer within ${ms / 1000} s`);
  });
  try {
    return await Promise.race([next, late]);
  } finally {
    waiting.abort();
    late.catch(() => {});
  }
}
