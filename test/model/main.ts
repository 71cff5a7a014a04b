import { parseArgs } from 'node:util';
import { errorText } from '../../runtime/errors.ts';
import { runModel } from './run-model.ts';

const HELP = `npm run model -- [--seed N] [--runs N] [--commands N] [--shrink]

Random sequences of writes, disconnects and kills (kill -9 of controllers, agents and etcd), after which every agent must have what the
entries say, and no acknowledged write may be lost. The same seed draws the same sequences.
`;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    runs: { type: 'string', default: '20' },
    commands: { type: 'string', default: '60' },
    shrink: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(HELP);
else {
  const say = (text: string) => void process.stdout.write(`${text}\n`);
  const { shrink } = values;
  say(`seed ${values.seed}`);
  try {
    await runModel({
      seed: Number(values.seed),
      runs: Number(values.runs),
      commands: Number(values.commands),
      shrink,
      say,
    });
  } catch (error) {
    process.stderr.write(`${errorText(error)}\n`);
    process.exitCode = 1;
  }
}
