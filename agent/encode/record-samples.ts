/** A record as it was encoded. */
export interface SampledRecord {
  /** A copy of the first bytes of the value. */
  value: Buffer;
  valueBytes: number;
  /** `START-END`; undefined without headers. */
  range: string | undefined;
}

const RANGE = Buffer.from('logfleet.range');
/** The record's attributes, a byte. */
const ATTRIBUTES_BYTES = 1;

/**
 * Samples `wanted` of the `count` records that begin at `from`, evenly spread, and skips the others
 * by their lengths. The bytes must come from RecordWriter or the kernel. `valueBytesMax`: how much
 * of each value is copied.
 */
export function sampleRecords(
  bytes: Buffer,
  from: number,
  { count, wanted, valueBytesMax }: { count: number; wanted: number; valueBytesMax: number },
): SampledRecord[] {
  const sampled: SampledRecord[] = [];
  const reader = new RecordReader(bytes, from);
  for (let index = 0; index < count; index++) {
    const length = reader.varint();
    const end = reader.at + length;
    const isChosen = Math.floor(((index + 1) * wanted) / count) > Math.floor((index * wanted) / count);
    if (isChosen) sampled.push(reader.record(valueBytesMax));
    reader.at = end;
  }
  return sampled;
}

/**
 * Reads the fields of records. All numbers are zigzag varints
 * (https://kafka.apache.org/documentation/#record).
 */
class RecordReader {
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.at++] as number;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
  }

  record(valueBytesMax: number): SampledRecord {
    this.at += ATTRIBUTES_BYTES;
    this.varint();
    this.varint();
    this.#field();
    const value = this.#field();
    let range: string | undefined;
    for (let headers = this.varint(); headers > 0; headers--) {
      const key = this.#field();
      const content = this.#field();
      if (key.equals(RANGE)) range = content.toString('latin1');
    }
    return { value: Buffer.from(value.subarray(0, valueBytesMax)), valueBytes: value.length, range };
  }

  /** Reads a length, -1 for null, and as many bytes. */
  #field(): Buffer {
    const length = Math.max(0, this.varint());
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }
}
