import { filebeat } from './filebeat.ts';
import { kcat } from './kcat.ts';
import { logfleet } from './logfleet.ts';
import { otelcol } from './otelcol.ts';
import { rsyslog } from './rsyslog.ts';
import type { Tool } from './tool.ts';

export interface FoundTools {
  tools: Tool[];
  /** The name of each tool that this machine lacks, and how to get it. */
  missing: string[];
}

const REMEDIES = {
  kcat: 'Debian: apt-get install kcat',
  rsyslog: 'Debian: apt-get install rsyslog rsyslog-kafka',
  otelcol: 'npm run bench -- build-peers, which needs Go',
  filebeat: 'give its binary: --filebeat PATH, or FILEBEAT',
} as const;

export const TOOL_NAMES = ['logfleet', 'logfleet-lean', ...Object.keys(REMEDIES)];

/** Finds the tools with these names; without names, all. `filebeatBinary` is Filebeat's path. */
export async function findTools(
  names: readonly string[] | undefined,
  filebeatBinary: string | undefined,
): Promise<FoundTools> {
  const wanted = (name: string) => names === undefined || names.includes(name);
  const own = [logfleet('standard'), logfleet('none')].filter(({ name }) => wanted(name));
  const peers = { kcat, rsyslog, otelcol, filebeat: () => filebeat(filebeatBinary) };
  const found = await Promise.all(
    Object.entries(peers)
      .filter(([name]) => wanted(name))
      .map(async ([name, find]) => [name as keyof typeof REMEDIES, await find()] as const),
  );
  return {
    tools: [...own, ...found.flatMap(([, tool]) => tool ?? [])],
    missing: found.filter(([, tool]) => !tool).map(([name]) => `${name} (${REMEDIES[name]})`),
  };
}
