/** Reads the fields that WireWriter writes. Throws RangeError if the bytes end too early. */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  boolean(): boolean {
    return this.int8() !== 0;
  }

  int8(): number {
    return this.#bytes.readInt8(this.#advance(1));
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#advance(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#advance(4));
  }

  int64(): bigint {
    return this.#bytes.readBigInt64BE(this.#advance(8));
  }

  unsignedVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes.readUInt8(this.#advance(1));
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('a varint of more than five bytes');
  }

  /** As in versions that are not flexible; null if the length is negative. */
  string(): string | null {
    const length = this.int16();
    return length < 0 ? null : this.#take(length).toString();
  }

  compactString(): string | null {
    return this.compactBytes()?.toString() ?? null;
  }

  compactBytes(): Buffer | null {
    const length = this.unsignedVarint() - 1;
    return length < 0 ? null : this.#take(length);
  }

  /** As in versions that are not flexible. */
  array<Item>(read: () => Item): Item[] {
    return this.#items(this.int32(), read);
  }

  compactArray<Item>(read: () => Item): Item[] {
    return this.#items(this.unsignedVarint() - 1, read);
  }

  /** Hex. */
  uuid(): string {
    return this.#take(16).toString('hex');
  }

  /** Skips tagged fields, which only later versions define. */
  skipTags(): void {
    for (let rest = this.unsignedVarint(); rest > 0; rest--) {
      this.unsignedVarint();
      this.#advance(this.unsignedVarint());
    }
  }

  /** Each item takes a byte at least, so a wrong count runs out of bytes, not of memory. */
  #items<Item>(count: number, read: () => Item): Item[] {
    const items: Item[] = [];
    for (let rest = count; rest > 0; rest--) items.push(read());
    return items;
  }

  #take(length: number): Buffer {
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  #advance(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#bytes.length) throw new RangeError('the message ends too early');
    this.#at = at + bytes;
    return at;
  }
}
