import { systemClock } from '../runtime/clock.ts';
import { runProcess } from '../runtime/run-process.ts';
import { controllerConfigSpec } from './config.ts';
import { Controller } from './controller.ts';

process.exitCode = await runProcess(controllerConfigSpec, (config, logger, signal) =>
  new Controller(config, { clock: systemClock, logger }).run(signal),
);
