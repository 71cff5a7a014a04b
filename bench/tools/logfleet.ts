import { cp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleAgent } from '../../bin/bundle-agent.mjs';
import { version } from '../../runtime/version.ts';
import { DROPPED, type Job, MULTILINE_START, type Tool } from './tool.ts';

const root = join(import.meta.dirname, '..', '..');
const published = join(root, '.cache', 'bench', 'logfleet');
let building: Promise<string> | undefined;

/**
 * The agent as it is published: bundled, with the package's launcher. Each process of the bench
 * builds it again, because the sources may have changed.
 */
function publishedAgent(): Promise<string> {
  building ??= buildPublished();
  return building;
}

async function buildPublished(): Promise<string> {
  await rm(published, { recursive: true, force: true });
  await mkdir(published, { recursive: true });
  for (const part of ['bin', 'package.json']) await cp(join(root, part), join(published, part), { recursive: true });
  await symlink(join(root, 'node_modules'), join(published, 'node_modules'));
  await bundleAgent(join(published, 'dist', 'agent'));
  return join(published, 'bin', 'logfleet-agent');
}

export function logfleet(headers: 'standard' | 'none'): Tool {
  return {
    name: headers === 'standard' ? 'logfleet' : 'logfleet-lean',
    label: `logfleet, headers ${headers}`,
    version,
    settings: `the published bundle with its defaults: exactly once, with the audit topic; \`headers: ${headers}\`; --once for complete files`,
    // For followed files, one form of headers is enough.
    does: ({ complete }) => complete || headers === 'standard',
    ends: true,
    command: async (job, folder) => {
      const entries = join(folder, 'entries.yaml');
      await writeFile(entries, JSON.stringify({ entries: [entryFor(job, headers)] }));
      const args = [
        '--entries',
        entries,
        '--kafka',
        job.kafka,
        '--state',
        join(folder, 'state'),
        '--log.level',
        'warn',
      ];
      return { command: await publishedAgent(), args: [...args, ...(job.complete ? ['--once'] : [])] };
    },
  };
}

function entryFor({ paths, topic, compression, task }: Job, headers: string): object {
  const entry = { name: 'bench', paths, topic, compression, headers, start: 'beginning' };
  if (task === 'multiline') return { ...entry, multiline: { start: MULTILINE_START } };
  if (task === 'json') return { ...entry, filter: { json_field: 'level', exclude: '^debug$' } };
  if (task === 'filter') return { ...entry, filter: { exclude: DROPPED } };
  return entry;
}
