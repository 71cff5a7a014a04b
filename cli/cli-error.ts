import type { FieldViolation } from '../proto/rules/field-violation.ts';

/** What a script can tell apart. */
export const exitCodes = { refused: 1, usage: 2, unreachable: 3 } as const;

/** Ends the command with an exit code and, on standard error, one line, unless the message is empty, and one more for each violation. */
export class CliError extends Error {
  readonly exitCode: number;
  readonly violations: readonly FieldViolation[];

  constructor(
    exitCode: number,
    message: string,
    options: { cause?: unknown; violations?: readonly FieldViolation[] } = {},
  ) {
    super(message, { cause: options.cause });
    this.exitCode = exitCode;
    this.violations = options.violations ?? [];
  }
}
