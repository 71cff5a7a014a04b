import { join } from 'node:path';
import type { Collector, CollectorSetup } from './collector.ts';
import { supervise } from './supervised.ts';

const script = join(import.meta.dirname, '..', '..', 'agent', 'main.ts');

/** logfleet's agent in a fleet: the controller sends its entry and gets its positions. */
export async function logfleet(options: CollectorSetup, say: (line: string) => void): Promise<Collector> {
  const { controller, bootstrap, paths, topic, stateDir, logFile } = options;
  const id = `chaos-${topic}`;
  const entry = { paths, topic, start: 'beginning', selector: `agent=${id}` };
  await controller.api.call('EntryService', 'CreateEntry', { entry_id: topic, entry });
  const args = [
    ...[script, '--id', id, '--controller', controller.address, '--kafka', bootstrap.join(',')],
    ...['--state', stateDir, '--report-interval', '500ms', '--scan-interval', '1s'],
  ];
  const agent = supervise({ command: process.execPath, args, logFile }, say);
  return {
    ...agent,
    get endedByItself() {
      return agent.endedByItself;
    },
    name: 'logfleet',
    stateDir,
    files: async () => {
      try {
        const { files } = await controller.api.call('FleetService', 'GetAgent', { name: `agents/${id}` });
        return files.map((file: { path: string; generation: string; position: string; size: string }) => ({
          path: file.path,
          generation: file.generation,
          position: Number(file.position),
          size: Number(file.size),
        }));
      } catch {
        // The agent has not connected yet.
        return [];
      }
    },
  };
}
