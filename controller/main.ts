import { systemClock } from '../runtime/clock.ts';
import { runProcess } from '../runtime/run-process.ts';
import { controllerConfigSpec } from './config.ts';
import { Controller } from './controller.ts';

// An explicit exit: an open connection to a hanging server would keep the event loop alive.
const exitCode = await runProcess(controllerConfigSpec, (config, logger, signal) =>
  new Controller(config, { clock: systemClock, logger }).run(signal),
);
process.exit(exitCode);
