import { errorText } from './errors.ts';

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];
export type LogFields = Record<string, unknown>;

/**
 * Writes one line per event to standard error, as JSON or as text for a terminal.
 *
 * - WARN: something unexpected happened, and nothing was lost.
 * - ERROR: something was lost, or an operator must act.
 *
 * A message is a short constant text. Names, numbers and errors belong in its fields.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Returns a logger that adds `fields` to every line. It shares this logger's level. */
  child(fields: LogFields): Logger;
  /** Lines below this level are not written. It can be set at any time. */
  level: LogLevel;
  /** Returns the last lines that were written, for diagnostics. */
  recent(): readonly string[];
}

/** The size of the lines that are kept for `recent`. */
const RECENT_BYTES_MAX = 256 * 1024;

export interface LoggerOptions {
  level: LogLevel;
  format: 'json' | 'text';
  fields?: LogFields;
  write?: (line: string) => void;
}

export function createLogger({ level, format, fields = {}, write = writeStderr }: LoggerOptions): Logger {
  const recent: string[] = [];
  let kept = 0;
  const keep = (line: string) => {
    recent.push(line);
    kept += line.length;
    while (kept > RECENT_BYTES_MAX) kept -= recent.shift()?.length ?? kept;
    write(line);
  };
  return loggerOf({
    shared: { level, recent, write: keep },
    render: format === 'json' ? renderJson : renderText,
    fields,
  });
}

interface LoggerParts {
  /** Shared by a logger and all its children. */
  shared: { level: LogLevel; recent: readonly string[]; write(line: string): void };
  render: typeof renderJson;
  fields: LogFields;
}

function loggerOf({ shared, render, fields }: LoggerParts): Logger {
  const log = (at: LogLevel) => (message: string, more?: LogFields) => {
    if (logLevels.indexOf(at) >= logLevels.indexOf(shared.level))
      shared.write(render(at, message, { ...fields, ...more }));
  };
  return {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    child: (more) => loggerOf({ shared, render, fields: { ...fields, ...more } }),
    get level() {
      return shared.level;
    },
    set level(level) {
      shared.level = level;
    },
    recent: () => [...shared.recent],
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
