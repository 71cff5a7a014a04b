import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EntryServiceDefinition } from '../../../proto/gen/logfleet/v1/entry_service.ts';
import { FleetServiceDefinition } from '../../../proto/gen/logfleet/v1/fleet_service.ts';
import { RolloutServiceDefinition } from '../../../proto/gen/logfleet/v1/rollout_service.ts';

test('docs/api.md names every method of the services', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'api.md'), 'utf8');
  const services = [EntryServiceDefinition, FleetServiceDefinition, RolloutServiceDefinition];
  const names = services.flatMap(({ methods }) => Object.values(methods).map(({ name }) => name));
  assert.ok(names.length > 30);
  assert.deepEqual(
    names.filter((name) => !page.includes(`\`${name}\``)),
    [],
  );
});
