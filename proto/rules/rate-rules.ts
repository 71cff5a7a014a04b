import type { FieldViolation } from './field-violation.ts';

const BYTES_PER_SECOND_MIN = 1_024n;
/** Far above any disk, and small enough to calculate with as a number. */
const BYTES_PER_SECOND_MAX = 2n ** 50n;

/** The rules that a `max_bytes_per_second` violates. */
export function rateViolations(bytes: bigint): FieldViolation[] {
  if (bytes === 0n || (bytes >= BYTES_PER_SECOND_MIN && bytes <= BYTES_PER_SECOND_MAX)) return [];
  const rule = `use ${BYTES_PER_SECOND_MIN} to ${BYTES_PER_SECOND_MAX}, or 0 for no limit`;
  return [{ field: 'max_bytes_per_second', description: `${bytes} is out of range: ${rule}` }];
}
