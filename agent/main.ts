import { systemClock } from '../runtime/clock.ts';
import { runProcess } from '../runtime/run-process.ts';
import { Agent } from './agent.ts';
import { agentConfigSpec } from './config.ts';

process.exitCode = await runProcess(agentConfigSpec, (config, logger, signal) =>
  new Agent(config, { clock: systemClock, logger }).run(signal),
);
