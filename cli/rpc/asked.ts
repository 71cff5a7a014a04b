import type { AskError, Asked } from '../../proto/gen/logfleet/v1/ask.ts';
import { CliError, exitCodes } from '../cli-error.ts';

/** Tells on standard error whom a question goes to, where that is not all that one may expect. */
export function tellAsked({ matching, asked, away, leftOut }: Asked, who: string): void {
  const warn = (text: string) => process.stderr.write(`warning: ${text}\n`);
  if (matching === 0) warn(`no agent matches ${who}`);
  else if (asked === 0) warn(`no agent that matches ${who} is connected: ${count(away)} away`);
  else if (away > 0) warn(`${count(away)} that match ${who} are not connected, and not asked`);
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
    process.stderr.write(`error: ${agent.replace(/^agents\//, '')}: ${message}\n`);
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
