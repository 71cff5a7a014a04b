import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { errorText } from '../runtime/errors.ts';
import { runUntilSignal } from '../runtime/lifecycle.ts';
import { createLogger } from '../runtime/logger.ts';
import { serversFromEnv, startStack } from './start-stack.ts';

const HELP = `Starts etcd and Apache Kafka on this machine, to try logfleet.


Usage: npm run stack -- [options]

  --data DIR          the folder for their data (default: .stack)
  --etcd-port PORT    the port of etcd (default: a free port)
  --kafka-port PORT   the port of Kafka (default: a free port)

The variables ETCD=host:port and KAFKA=host:port name your own servers to use instead.
Ctrl-C stops the servers that were started.
`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      data: { type: 'string', default: join(import.meta.dirname, '..', '.stack') },
      'etcd-port': { type: 'string' },
      'kafka-port': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const port = (text: string | undefined, flag: string) => {
    const value = Number(text);
    if (text !== undefined && !(Number.isInteger(value) && value > 0 && value < 65536))
      throw new Error(`${flag}: ${text} is not a port`);
    return text === undefined ? undefined : value;
  };
  return {
    help: values.help === true,
    dataDir: values.data,
    etcdPort: port(values['etcd-port'], '--etcd-port'),
    kafkaPort: port(values['kafka-port'], '--kafka-port'),
  };
}

const logger = createLogger({ level: 'info', format: 'text' });

async function runStack(signal: AbortSignal): Promise<void> {
  const { dataDir, etcdPort, kafkaPort } = readOptions();
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const ports = { ...(etcdPort && { etcdPort }), ...(kafkaPort && { kafkaPort }) };
  const stack = await startStack({
    dataDir,
    ...ports,
    ...serversFromEnv(process.env),
    autoCreateTopics: true,
    largeBatches: true,
    say,
  });
  process.stdout.write(`etcd   ${stack.etcd.join(',')}
kafka  ${stack.kafka.join(',')}

Try:
  bin/logfleet-controller --etcd ${stack.etcd.join(',')} --kafka ${stack.kafka.join(',')}
  kcat -b ${stack.kafka[0]} -L
  etcdctl --endpoints ${stack.etcd[0]} get --prefix /logfleet/

Ctrl-C stops the servers.
`);
  try {
    if (!signal.aborted)
      await Promise.race([
        stack.died,
        new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true })),
      ]);
  } finally {
    await stack.stop();
  }
}

try {
  if (readOptions().help) process.stdout.write(HELP);
  else process.exitCode = await runUntilSignal(logger, runStack);
} catch (error) {
  process.stderr.write(`stack: ${errorText(error)}; see --help\n`);
  process.exitCode = 2;
}
