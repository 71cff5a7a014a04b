/**
 * Writes the fields of Kafka's protocol (https://kafka.apache.org/protocol#protocol_types),
 * big-endian. `compact` types belong to flexible versions (KIP-482): their lengths are unsigned
 * varints of length + 1, and 0 is null.
 */
export class WireWriter {
  #bytes = Buffer.allocUnsafe(512);
  #length = 0;

  /** Returns the bytes. The writer must not be used afterwards. */
  done(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }

  int8(value: number): this {
    const at = this.#advance(1);
    this.#bytes.writeInt8(value, at);
    return this;
  }

  int16(value: number): this {
    const at = this.#advance(2);
    this.#bytes.writeInt16BE(value, at);
    return this;
  }

  int32(value: number): this {
    const at = this.#advance(4);
    this.#bytes.writeInt32BE(value, at);
    return this;
  }

  int64(value: bigint): this {
    const at = this.#advance(8);
    this.#bytes.writeBigInt64BE(value, at);
    return this;
  }

  unsignedVarint(value: number): this {
    let rest = value;
    while (rest > 0x7f) {
      this.#byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    return this.#byte(rest);
  }

  /** As in versions that are not flexible. */
  string(value: string): this {
    const bytes = Buffer.from(value);
    return this.int16(bytes.length).#raw(bytes);
  }

  compactString(value: string | null): this {
    return this.compactBytes(value === null ? null : Buffer.from(value));
  }

  compactBytes(value: Uint8Array | null): this {
    return value === null ? this.unsignedVarint(0) : this.unsignedVarint(value.length + 1).#raw(value);
  }

  compactArray<Item>(items: readonly Item[], write: (item: Item) => void): this {
    this.unsignedVarint(items.length + 1);
    for (const item of items) write(item);
    return this;
  }

  /** The zero UUID: the topic is identified by its name. */
  noUuid(): this {
    return this.#raw(Buffer.alloc(16));
  }

  /** An empty set of tagged fields. */
  noTags(): this {
    return this.#byte(0);
  }

  #byte(value: number): this {
    const at = this.#advance(1);
    this.#bytes[at] = value;
    return this;
  }

  #raw(bytes: Uint8Array): this {
    const at = this.#advance(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  #advance(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
    }
    return at;
  }
}
