import { Hello } from '../../proto/gen/logfleet/v1/agent_service.ts';
import { agentLabelViolations } from '../../proto/rules/agent-labels.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { isAgentId } from '../../proto/rules/names.ts';

/** The identity is written to etcd and kept by every controller. 64 labels have about 8 KiB. */
const HELLO_BYTES_MAX = 32 * 1024;

/** The violations for which a stream is refused. */
export function helloViolations(hello: Hello): FieldViolation[] {
  const { identity, instanceId } = hello;
  const agentId = identity?.agentId ?? '';
  const bytes = Hello.encode(hello).finish().length;
  if (bytes > HELLO_BYTES_MAX) {
    const description = `has ${bytes} bytes: at most ${HELLO_BYTES_MAX}; give shorter names, addresses and labels`;
    return [{ field: 'hello', description }];
  }
  const violations = agentLabelViolations(identity?.labels ?? {}, 'hello.identity.labels');
  if (!isAgentId(agentId)) {
    const description = `${JSON.stringify(agentId)} is not an agent's id: use 1 to 253 of a-z, 0-9, "-" and "."`;
    violations.push({ field: 'hello.identity.agent_id', description });
  }
  if (instanceId === '') violations.push({ field: 'hello.instance_id', description: 'is required' });
  return violations;
}
