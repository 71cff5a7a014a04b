import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { version } from '../../runtime/version.ts';
import { DROPPED, type Job, MULTILINE_START, type Tool } from './tool.ts';

const agent = join(import.meta.dirname, '..', '..', 'bin', 'logfleet-agent');

export function logfleet(headers: 'standard' | 'none'): Tool {
  return {
    name: headers === 'standard' ? 'logfleet' : 'logfleet-lean',
    label: `logfleet, headers ${headers}`,
    version,
    settings: `as it comes: exactly once, and its facts go to an audit topic; \`headers: ${headers}\`; with --once where the files are complete`,
    // Of followed files the usual headers are enough to know.
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
      return { command: agent, args: [...args, ...(job.complete ? ['--once'] : [])] };
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
