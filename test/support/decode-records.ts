/** A record decoded as Kafka's documentation says, slowly, and without the code under test. */
export interface DecodedRecord {
  offsetDelta: number;
  value: Buffer;
  headers: Record<string, string>;
}

export function decodeRecords(bytes: Buffer, count: number): DecodedRecord[] {
  let at = 0;
  const varint = () => {
    let raw = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] as number;
      raw |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number((raw >> 1n) ^ -(raw & 1n));
    }
  };
  const take = (length: number) => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  return Array.from({ length: count }, () => {
    const end = varint() + at;
    take(1);
    varint();
    const offsetDelta = varint();
    const keyLength = varint();
    if (keyLength >= 0) take(keyLength);
    const value = take(varint());
    const headers: Record<string, string> = {};
    for (let rest = varint(); rest > 0; rest--) {
      const key = take(varint()).toString();
      headers[key] = take(varint()).toString();
    }
    if (at !== end) throw new Error(`a record says it ends at ${end}, and ends at ${at}`);
    return { offsetDelta, value, headers };
  });
}
