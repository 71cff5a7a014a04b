import { AgentServiceDefinition, ConnectResponse, type Desired } from '../../proto/gen/logfleet/v1/agent_service.ts';
import { wholeMessages } from '../../runtime/whole-messages.ts';

const encoded = new WeakMap<Desired, Uint8Array>();

/** Serializes a desired state once, however many agents get it. Desired states are immutable. */
function encodeOnce(response: ConnectResponse): { finish(): Uint8Array } {
  const desired = response.message?.$case === 'desired' ? response.message.value : undefined;
  const known = desired && encoded.get(desired);
  if (known) return { finish: () => known };
  const bytes = ConnectResponse.encode(response).finish();
  if (desired) encoded.set(desired, bytes);
  return { finish: () => bytes };
}

const whole = wholeMessages(AgentServiceDefinition);
const connect = { ...whole.methods.connect, responseType: { encode: encodeOnce, decode: ConnectResponse.decode } };

export const AgentStreamDefinition = { ...whole, methods: { ...whole.methods, connect } };
