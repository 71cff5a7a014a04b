import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKafka } from '../stack/kafka.ts';
import { countRecords, createTopic } from '../test/support/topics.ts';
import { writeAccessLog } from './access-log.ts';
import { type Measurement, measure, median } from './measure.ts';
import { type Row, writeResults } from './results.ts';

const root = join(import.meta.dirname, '..');
const PARTITIONS = 4;

interface Tool {
  name: string;
  run(topic: string): Promise<Measurement>;
}

/** `npm run bench -- throughput`: see --help. */
export async function throughput({ rounds, mib }: { rounds: number; mib: number }): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'logfleet-bench-'));
  const kafka = await startKafka({ dataDir: join(folder, 'kafka') }, (line) => console.error(line));
  try {
    const file = join(folder, 'access.log');
    const size = await writeAccessLog(file, mib * 1024 * 1024);
    const tools = toolsFor(kafka.bootstrap.join(','), file, folder);
    const runs = new Map<string, Measurement[]>(tools.map(({ name }) => [name, []]));
    // One round that does not count: the broker's JIT, the page cache, the compile cache.
    for (let round = 0; round <= rounds; round++) {
      for (const tool of tools) {
        const topic = await createTopic(kafka.bootstrap, PARTITIONS);
        const run = await tool.run(topic);
        const records = await countRecords(kafka.bootstrap, topic);
        if (records !== size.lines) throw new Error(`${tool.name} delivered ${records} of ${size.lines} lines`);
        console.error(
          `round ${round}: ${tool.name.padEnd(24)} ${(size.bytes / 2 ** 20 / run.seconds).toFixed(0)} MiB/s`,
        );
        if (round > 0) runs.get(tool.name)?.push(run);
      }
    }
    await writeResults({
      workload: 'throughput',
      rounds,
      mib,
      lines: size.lines,
      rows: summarise(runs, size.bytes),
      raw: Object.fromEntries(runs),
    });
  } finally {
    await kafka.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function toolsFor(kafka: string, file: string, folder: string): Tool[] {
  const logfleet = (headers: string): Tool => ({
    name: `logfleet, headers ${headers}`,
    run: async (topic) => {
      const state = await mkdtemp(join(folder, 'state-'));
      const entries = join(state, 'entries.yaml');
      await writeFile(entries, JSON.stringify({ entries: [{ name: 'bench', paths: [file], topic, headers }] }));
      const args = ['--entries', entries, '--kafka', kafka, '--state', state, '--once', '--log.level', 'warn'];
      return measure(join(root, 'bin', 'logfleet-agent'), args);
    },
  });
  const kcat: Tool = {
    name: 'kcat',
    run: (topic) => measure('kcat', ['-P', '-b', kafka, '-t', topic, '-z', 'lz4', '-X', 'acks=all', '-l', file]),
  };
  return [logfleet('standard'), logfleet('none'), ...(hasKcat() ? [kcat] : [])];
}

function hasKcat(): boolean {
  try {
    execFileSync('kcat', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    console.error('kcat is not on this machine: no ratio to it in this run (Debian: apt-get install kcat)');
    return false;
  }
}

function summarise(runs: ReadonlyMap<string, readonly Measurement[]>, bytes: number): Row[] {
  const mib = bytes / 2 ** 20;
  const peer = runs.get('kcat');
  const peerSeconds = peer && median(peer.map(({ seconds }) => seconds));
  return [...runs].map(([name, own]) => {
    const seconds = median(own.map((run) => run.seconds));
    return {
      name,
      mibPerSecond: mib / seconds,
      ratio: peerSeconds === undefined ? undefined : peerSeconds / seconds,
      mibPerCpuSecond: mib / median(own.map((run) => run.cpuSeconds)),
      peakRssMib: median(own.map((run) => run.peakRssMib)),
    };
  });
}
