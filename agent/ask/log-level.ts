import type { Clock } from '../../runtime/clock.ts';
import { type Logger, type LogLevel, logLevels } from '../../runtime/logger.ts';
import { type Answerer, QuestionError } from './questions.ts';

/** Sets how much the agent logs, for some time or until it ends. The one asked last counts. */
export function logLevelAnswerer(
  configured: LogLevel,
  { clock, logger }: { clock: Clock; logger: Logger },
): Answerer<'logLevel'> {
  let back = new AbortController();
  return async function* setLogLevel({ level, forMs }) {
    const wanted = logLevels.find((known) => known === level);
    if (!wanted) throw new QuestionError('CODE_INVALID_ARGUMENT', `${JSON.stringify(level)} is not a level`);
    back.abort();
    back = new AbortController();
    const former = logger.level;
    logger.level = wanted;
    logger.info('the log level was set', { now: level, former, forMs });
    if (forMs > 0n)
      void clock.sleep(Number(forMs), back.signal).then(
        () => {
          logger.level = configured;
          logger.info('the log level is as configured again', { now: configured });
        },
        () => {},
      );
    yield { $case: 'logLevel', value: { level: wanted, former, configured } };
  };
}
