import type { AskError, Asked } from '../../proto/gen/logfleet/v1/ask.ts';
import { shortAgentName } from '../../proto/rules/names.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import { harmless } from '../output/format.ts';
import { printWarning } from '../output/messages.ts';

/**
 * Warns when a request does not reach every agent that matches. `conditions` are what an agent must
 * match; empty ones are skipped.
 */
export function warnOfUnreachedAgents({ matching, asked, away, leftOut }: Asked, ...conditions: string[]): void {
  const all = conditions.filter(Boolean).join(' and ');
  const that = (verb: string) => (all === '' ? '' : ` that ${verb} ${all}`);
  if (matching === 0) printWarning(all === '' ? 'there is no agent' : `no agent matches ${all}`);
  else if (asked === 0) printWarning(`no agent${that('matches')} is connected: ${agentsText(away)} not connected`);
  else if (away === 1) printWarning(`1 agent${that('matches')} is not connected and was skipped`);
  else if (away > 1) printWarning(`${away} agents${that('match')} are not connected and were skipped`);
  if (leftOut > 0)
    printWarning(`the request went to ${asked} agents, the most at a time; ${leftOut} were skipped: narrow it with -l`);
}

/** Counts the agents that responded and those that failed. */
export class AgentOutcomes {
  #responded = 0;
  #failed = 0;

  addResponse(): void {
    this.#responded++;
  }

  /** Prints the error. */
  addFailure(agent: string, { message }: AskError): void {
    this.#failed++;
    process.stderr.write(harmless(`error: ${shortAgentName(agent)}: ${message}\n`));
  }

  /** Throws CliError when an agent has failed; `predicate` says what these agents did not do. */
  throwIfFailed(predicate: string): void {
    if (this.#failed === 0) return;
    const total = this.#failed + this.#responded;
    throw new CliError(exitCodes.refused, `${this.#failed} of ${total} agents ${predicate}`);
  }
}

function agentsText(count: number): string {
  return count === 1 ? '1 agent is' : `${count} agents are`;
}
