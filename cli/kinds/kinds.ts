import { agents } from './agents.ts';
import { alerts } from './alerts.ts';
import { entries } from './entries.ts';
import type { Kind } from './kind.ts';
import { losses } from './losses.ts';
import { rollouts } from './rollouts.ts';
import { settings } from './settings.ts';

const table = { entry: entries, agent: agents, loss: losses, alert: alerts, rollout: rollouts, settings } as const;

export type KindName = keyof typeof table;

/** Every kind of resource, by its singular. */
export const kinds: Readonly<Record<KindName, Kind<unknown>>> = table;
export const kindNames = Object.keys(kinds) as KindName[];

/** Finds a kind by its singular or plural. */
export function kindNamed(word: string): KindName | undefined {
  return kindNames.find((name) => word === name || word === kinds[name].plural);
}

/** `entries, agents or losses` */
export function pluralsOf(names: readonly KindName[]): string {
  const plurals = names.map((name) => kinds[name].plural);
  return [plurals.slice(0, -1).join(', '), ...plurals.slice(-1)].filter(Boolean).join(' or ');
}
