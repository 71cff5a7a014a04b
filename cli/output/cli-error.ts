import type { FieldViolation } from '../../proto/rules/field-violation.ts';

/** The exit codes that scripts rely on. 0 is success. */
export const exitCodes = { refused: 1, usage: 2, unreachable: 3 } as const;

/** Ends the command with an exit code. */
export class CliError extends Error {
  readonly exitCode: number;
  /** Printed below the message, one a line. */
  readonly violations: readonly FieldViolation[];

  /** An empty message prints nothing: the exit code says it all. */
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
