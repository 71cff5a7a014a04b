import { errorText } from './errors.ts';

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];
export type LogFields = Record<string, unknown>;

/**
 * Writes one line per event to standard error: JSON by default, text for a terminal. WARN: unexpected, nothing lost;
 * ERROR: something was lost or an operator must act.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  level: LogLevel;
  format: 'json' | 'text';
  fields?: LogFields;
  write?: (line: string) => void;
}

export function createLogger({ level, format, fields = {}, write = writeStderr }: LoggerOptions): Logger {
  const least = logLevels.indexOf(level);
  const render = format === 'json' ? renderJson : renderText;
  const log = (at: LogLevel) => (message: string, more?: LogFields) => {
    if (logLevels.indexOf(at) >= least) write(render(at, message, { ...fields, ...more }));
  };
  return {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    child: (more) => createLogger({ level, format, fields: { ...fields, ...more }, write }),
  };
}

function writeStderr(line: string): void {
  process.stderr.write(line);
}

function renderJson(level: LogLevel, message: string, fields: LogFields): string {
  return `${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields }, plain)}\n`;
}

function renderText(level: LogLevel, message: string, fields: LogFields): string {
  const tail = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${textOf(value)}`)
    .join('');
  return `${new Date().toISOString()} ${level.toUpperCase().padEnd(5)} ${message}${tail}\n`;
}

function textOf(value: unknown): string {
  const text = plainText(value);
  return /[\s"=]/.test(text) || text === '' ? JSON.stringify(text) : text;
}

function plainText(value: unknown): string {
  if (typeof value === 'object' && value !== null && !(value instanceof Error)) return JSON.stringify(value, plain);
  return value instanceof Error ? errorText(value) : String(value);
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  return value instanceof Error ? errorText(value) : value;
}
