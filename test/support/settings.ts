import assert from 'node:assert/strict';
import { eventually } from './eventually.ts';
import { agentStatus, type FleetFixture } from './fleet-fixture.ts';

/** The response of UpdateAgentSettings, and settings, as messages of the .proto files. */
// biome-ignore lint/suspicious/noExplicitAny: messages.
type Answer = any;

/** Changes the given ones of an agent's settings. */
export function setFor(
  { controller }: Pick<FleetFixture, 'controller'>,
  id: string,
  fields: Record<string, unknown>,
  more: object = {},
): Promise<Answer> {
  const paths = Object.keys(fields).filter((field) => field !== 'etag');
  const settings = { name: `agents/${id}/settings`, ...fields };
  const request = { settings, update_mask: { paths }, ...more };
  return controller.api.call('FleetService', 'UpdateAgentSettings', request);
}

/** Sets them and waits until the agent has applied them. */
export async function follows(on: FleetFixture, id: string, fields: Record<string, unknown>): Promise<void> {
  const { settings } = await setFor(on, id, fields);
  await eventually(async () => {
    const { health } = await agentStatus(on, id);
    assert.equal(health?.settings_etag, settings.etag);
  });
}
