import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryServiceClient } from '../../proto/gen/logfleet/v1/entry_service.ts';

export const ENTRIES = 200;
/** Entries of every agent. Each of the others belongs to one role. */
const EVERYBODYS = 10;
const ROLES = 19;
const AT_ONCE = 32;

export function roleOf(index: number): string {
  return `role-${index % ROLES}`;
}

/** Ten entries for all, and ten for each of 19 roles: 200 in the fleet, 20 on each agent. */
function entryOf(index: number): Entry {
  return Entry.create({
    name: `entries/service-${String(index).padStart(3, '0')}`,
    paths: [`/var/log/services/service-${index}/current/*.log`, `/var/log/services/service-${index}/*.out`],
    exclude: ['**/*.gz'],
    topic: `logs.service-${index}`,
    selector: index < EVERYBODYS ? '' : `role=${roleOf(index - EVERYBODYS)},env in (prod,stage)`,
    owner: 'team-platform',
    description: 'made by the bench',
  });
}

export async function createEntries(client: EntryServiceClient): Promise<void> {
  await sideBySide(ENTRIES, AT_ONCE, async (index) => {
    await client.createEntry({ entry: entryOf(index) });
  });
}

/** Writes entries that no agent has, from several callers at once. Returns writes per second. */
export async function writesPerSecond(
  client: EntryServiceClient,
  writes: number,
  nowMs: () => number,
): Promise<number> {
  const entry = (index: number) =>
    Entry.create({ ...entryOf(index), name: `entries/nobodys-${index}`, selector: 'role=none' });
  await sideBySide(AT_ONCE * 2, AT_ONCE, async (index) => {
    await client.createEntry({ entry: entry(index) });
  });
  const startMs = nowMs();
  await sideBySide(writes, AT_ONCE * 2, async (index) => {
    const changed = { ...entry(index % (AT_ONCE * 2)), description: `write ${index}` };
    await client.updateEntry({ entry: changed });
  });
  return (1000 * writes) / (nowMs() - startMs);
}

/** Calls `work` `count` times, `atOnce` at a time. */
async function sideBySide(count: number, atOnce: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < count; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: Math.min(count, atOnce) }, worker));
}
