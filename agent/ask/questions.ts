import type { Answer, Ask, AskError } from '../../proto/gen/logfleet/v1/ask.ts';
import { CodedError } from '../../runtime/errors.ts';

export type Question = NonNullable<Ask['question']>;
export type Part = NonNullable<Answer['part']>;
type Kind = Question['$case'];

/** Why a question has no answer: told to whoever asks. */
export class QuestionError extends CodedError<AskError['code']> {}

/** What is known while a question is answered. */
export interface Asking {
  /** Aborted when nobody waits for the answer any more. */
  signal: AbortSignal;
  /** When it must have been answered, by the monotonic clock. */
  deadlineMs: number;
}

/** Answers questions of one kind, part by part; the next part is asked for when the one before it is on its way. Throws QuestionError. */
export type Answerer<K extends Kind = Kind> = (
  question: Extract<Question, { $case: K }>['value'],
  asking: Asking,
) => AsyncIterable<Part>;

/** By the questions' names. */
export type Answerers = { readonly [K in Kind]?: Answerer<K> };

/** What the agent says hello with. */
export function capabilitiesOf(answerers: Answerers): string[] {
  return Object.keys(answerers).map((kind) => kind.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
}
