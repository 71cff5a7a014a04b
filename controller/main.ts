import { systemClock } from '../runtime/clock.ts';
import { runProcess } from '../runtime/run-process.ts';
import { controllerConfigSpec } from './config.ts';
import { Controller } from './controller.ts';

// Not by an empty event loop: a connection to a server that hangs would hold up the end.
const exitCode = await runProcess(controllerConfigSpec, (config, logger, signal) =>
  new Controller(config, { clock: systemClock, logger }).run(signal),
);
process.exit(exitCode);
