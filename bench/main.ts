import { parseArgs } from 'node:util';
import { errorText } from '../runtime/errors.ts';
import { throughput } from './throughput.ts';

const HELP = `Measures logfleet beside other tools, in the same run, and writes bench/RESULTS.md.

Usage: npm run bench -- throughput [options]

  throughput     one large access log, one agent, one topic with 4 partitions, from start to the last acknowledged byte,
                 next to kcat -P -l on the same file and broker

  --rounds N     rounds, alternating between the tools (default: 3)
  --mib N        size of the log in MiB (default: 256)
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    mib: { type: 'string', default: '256' },
    help: { type: 'boolean', short: 'h' },
  },
});

try {
  const [workload] = positionals;
  if (values.help) process.stdout.write(HELP);
  else if (workload === 'throughput') await throughput({ rounds: Number(values.rounds), mib: Number(values.mib) });
  else throw new Error(`${workload === undefined ? 'no workload' : `unknown workload ${workload}`}; see --help`);
} catch (error) {
  process.stderr.write(`bench: ${errorText(error)}\n`);
  process.exitCode = 1;
}
