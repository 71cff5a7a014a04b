import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ServerReflection, ServerReflectionService } from 'nice-grpc-server-reflection';

/** The services shown by reflection. */
const SERVICES = [
  'logfleet.v1.EntryService',
  'logfleet.v1.FleetService',
  'logfleet.v1.RolloutService',
  'logfleet.v1.AgentService',
  'grpc.health.v1.Health',
];
const DESCRIPTORS = join(import.meta.dirname, '..', '..', 'proto', 'gen', 'descriptors.binpb');

/**
 * Reflection under both of its names: grpcurl 1.8 and others call v1alpha, newer clients v1. The
 * messages are the same
 * (https://github.com/grpc/grpc-proto/blob/master/grpc/reflection/v1/reflection.proto).
 */
export function reflectionServices() {
  const implementation = ServerReflection(readFileSync(DESCRIPTORS), SERVICES);
  const alpha = Object.fromEntries(
    Object.entries(ServerReflectionService).map(([method, definition]) => [
      method,
      { ...definition, path: definition.path.replace('.v1.', '.v1alpha.') },
    ]),
  ) as typeof ServerReflectionService;
  return [
    { definition: ServerReflectionService, implementation },
    { definition: alpha, implementation },
  ];
}
