/** The stream that holds an agent's id, as etcd has it (`presence/AGENT`). */
export interface Presence {
  /** The agent process. */
  instance_id: string;
  /** The id of the controller that the agent is connected to. */
  controller: string;
  host: string;
  connect_time: string;
  /** Identifies one stream of the process. */
  stream: string;
}

/** Throws when the value is not a presence. */
export function parsePresence(value: string): Presence {
  const presence = JSON.parse(value) as Presence | null;
  if (typeof presence?.controller !== 'string' || typeof presence.instance_id !== 'string')
    throw new Error('controller or instance_id is missing');
  return presence;
}

/** Undefined for an invalid value, which may be overwritten. */
export function tryParsePresence(value: string): Presence | undefined {
  try {
    return parsePresence(value);
  } catch {
    return undefined;
  }
}
