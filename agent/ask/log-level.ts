import type { Clock } from '../../runtime/clock.ts';
import { type Logger, type LogLevel, logLevels } from '../../runtime/logger.ts';
import { RequestError, type RequestHandler } from './request-handler.ts';

/** Sets the log level, for some time or until the process ends. The last request wins. */
export function logLevelHandler(
  configured: LogLevel,
  { clock, logger }: { clock: Clock; logger: Logger },
): RequestHandler<'logLevel'> {
  let reset = new AbortController();
  return async function* setLogLevel({ level, forMs }) {
    const wanted = logLevels.find((known) => known === level);
    if (!wanted)
      throw new RequestError(
        'CODE_INVALID_ARGUMENT',
        `level: ${JSON.stringify(level)} is not a log level: give ${logLevels.join(', ')}`,
      );
    reset.abort();
    reset = new AbortController();
    const former = logger.level;
    logger.level = wanted;
    logger.info('the log level was set', { logLevel: level, previous: former, forMs });
    if (forMs > 0n)
      void clock.sleep(Number(forMs), reset.signal).then(
        () => {
          logger.level = configured;
          logger.info('the log level was reset to the configured one', { logLevel: configured });
        },
        () => {},
      );
    yield { $case: 'logLevel', value: { level: wanted, former, configured } };
  };
}
