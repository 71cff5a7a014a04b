import type { AskError, Asked } from '../../proto/gen/logfleet/v1/ask.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { harmless } from '../format.ts';

/** Tells on standard error whom a question goes to, where that is not all that one may expect. `conditions` choose the agents; empty ones don't. */
export function tellAsked({ matching, asked, away, leftOut }: Asked, ...conditions: string[]): void {
  const warn = (text: string) => process.stderr.write(`warning: ${text}\n`);
  const all = conditions.filter(Boolean).join(' and ');
  const which = (one: boolean) => (all === '' ? '' : ` that ${one ? 'matches' : 'match'} ${all}`);
  if (matching === 0) warn(all === '' ? 'there is no agent' : `no agent matches ${all}`);
  else if (asked === 0) warn(`no agent${which(true)} is connected: ${count(away)} away`);
  else if (away > 0)
    warn(`${count(away)}${which(away === 1)} ${away === 1 ? 'is' : 'are'} not connected, and not asked`);
  if (leftOut > 0) warn(`only ${asked} agents are asked at once, ${leftOut} are left out: choose with -l`);
}

/** Collects which agents do not answer. */
export class Failures {
  #answered = 0;
  #failed = 0;

  answered(): void {
    this.#answered++;
  }

  /** Tells it on standard error. */
  tell(agent: string, { message }: AskError): void {
    this.#failed++;
    process.stderr.write(harmless(`error: ${agent.replace(/^agents\//, '')}: ${message}\n`));
  }

  /** Throws CliError when an agent has failed. */
  conclude(what: string): void {
    if (this.#failed > 0)
      throw new CliError(exitCodes.refused, `${this.#failed} of ${this.#failed + this.#answered} agents ${what}`);
  }
}

function count(agents: number): string {
  return agents === 1 ? '1 agent' : `${agents} agents`;
}
