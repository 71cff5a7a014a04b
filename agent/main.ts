import { systemClock } from '../runtime/clock.ts';
import { runProcess } from '../runtime/run-process.ts';
import { Agent } from './agent.ts';
import { agentConfigSpec } from './config/agent-config.ts';

// Exit explicitly: a connection to a server that hangs would keep the event loop alive.
const exitCode = await runProcess(agentConfigSpec, (config, logger, signal) =>
  new Agent(config, { clock: systemClock, logger }).run(signal),
);
process.exit(exitCode);
