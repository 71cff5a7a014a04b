const INT64_MAX = 2n ** 63n - 1n;

/**
 * A sum of bytes for a message of Protocol Buffers: at most what an int64 has. The sizes of huge
 * sparse files may add up to more, and then the whole message could not be sent.
 */
export function int64(sum: bigint | number): bigint {
  const whole = BigInt(sum);
  return whole < INT64_MAX ? whole : INT64_MAX;
}
