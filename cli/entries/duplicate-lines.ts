import type { PreviewConflict } from '../../proto/gen/logfleet/v1/ask.ts';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { shortAgentName, shortEntryName } from '../../proto/rules/names.ts';
import { count } from '../output/format.ts';

/** Paths of all agents that are kept for the comparison; about 40 MB. */
const PATHS_MAX = 200_000;

/** Where two entries send the same files to the same topic. */
interface Overlap {
  topic: string;
  agents: Set<string>;
  /** `PATH on AGENT` */
  example: string;
}

/**
 * Finds pairs of entries that send the same files to the same topic: the topic then contains each
 * line twice.
 */
export class DuplicateLines {
  readonly #outdated: ReadonlySet<string>;
  /** The names of the entries that collect a file, by topic, agent and path. */
  readonly #entriesByFile = new Map<string, string[]>();
  readonly #overlaps = new Map<string, Overlap>();
  #uncomparedFiles = 0;

  /** `outdated`: names of entries that agents may still have in a revision that is replaced. */
  constructor(outdated: ReadonlySet<string>) {
    this.#outdated = outdated;
  }

  /** Compares the files that an entry would collect with those of the entries added before. */
  addFiles({ name, topic }: Entry, agent: string, paths: Iterable<string>): void {
    for (const path of paths) {
      const key = JSON.stringify([topic, agent, path]);
      const others = this.#entriesByFile.get(key);
      for (const other of others ?? []) this.#add([name, other], topic, agent, path);
      if (others) others.push(name);
      else if (this.#entriesByFile.size < PATHS_MAX) this.#entriesByFile.set(key, [name]);
      else this.#uncomparedFiles++;
    }
  }

  /** Adds what an agent reports of the entries that it collects. */
  addConflicts({ name }: Entry, agent: string, conflicts: readonly PreviewConflict[]): void {
    for (const { entry, topic, sameTopic, path } of conflicts)
      if (sameTopic && !this.#outdated.has(entry)) this.#add([name, entry], topic, agent, path);
  }

  warnings(): string[] {
    const warnings = [...this.#overlaps].map(([pair, { topic, agents, example }]) => {
      const where = `on ${agents.size} ${agents.size === 1 ? 'agent' : 'agents'}, such as ${example}`;
      return `${pair} send the same files to topic ${topic}, so each line is duplicated there: ${where}`;
    });
    if (this.#uncomparedFiles > 0)
      warnings.push(
        `${count(this.#uncomparedFiles)} files were not compared between entries of one topic: apply compares at most ${count(PATHS_MAX)}`,
      );
    return warnings;
  }

  #add(names: [string, string], topic: string, agent: string, path: string): void {
    const pair = names
      .map((name) => `entry/${shortEntryName(name)}`)
      .sort()
      .join(' and ');
    const overlap = this.#overlaps.get(pair);
    if (overlap) overlap.agents.add(agent);
    else this.#overlaps.set(pair, { topic, agents: new Set([agent]), example: `${path} on ${shortAgentName(agent)}` });
  }
}
