import { systemClock } from '../runtime/clock.ts';
import { runProcess } from '../runtime/run-process.ts';
import { Agent } from './agent.ts';
import { agentConfigSpec } from './config/agent-config.ts';

// Not by an empty event loop: a connection to a server that hangs would hold up the end.
const exitCode = await runProcess(agentConfigSpec, (config, logger, signal) =>
  new Agent(config, { clock: systemClock, logger }).run(signal),
);
process.exit(exitCode);
