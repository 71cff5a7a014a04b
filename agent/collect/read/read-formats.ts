import { fitToTopic, type LineFormat } from '../../encode/line-format.ts';
import { charsetOfFile } from './line-starts.ts';
import { previousFormat } from './read-range.ts';

/** The formats in which one generation is read, kept because each chunk needs them. */
export class ReadFormats {
  #given: LineFormat | undefined;
  #format: LineFormat | undefined;
  /** The format with the topic's shorter line limit. */
  #fitted: { from: LineFormat; bytes: number; format: LineFormat } | undefined;
  /** The format of the range that was read again last. */
  #previous: { document: string; bytes: number; format: LineFormat } | undefined;

  /** `given` in the charset of the file, for a topic that takes lines of at most `bytes`. */
  async present(fd: number, given: LineFormat, bytes: number): Promise<LineFormat> {
    const from = await this.#formatOf(fd, given);
    if (bytes >= from.maxLineBytes) return from;
    if (this.#fitted?.from !== from || this.#fitted.bytes !== bytes)
      this.#fitted = { from, bytes, format: fitToTopic(from, bytes) };
    return this.#fitted.format;
  }

  /**
   * The format of a range that was read before, for a topic that takes lines of at most `bytes`.
   */
  async previous(fd: number, now: LineFormat, document: string, bytes: number): Promise<LineFormat> {
    if (document === now.document) return now;
    if (this.#previous?.document !== document || this.#previous.bytes !== bytes) {
      const before = await previousFormat(fd, document, now.target);
      this.#previous = { document, bytes, format: fitToTopic(before, bytes) };
    }
    return this.#previous.format;
  }

  /** Drops what can be derived again. */
  release(): void {
    this.#given = this.#format = undefined;
    this.#fitted = undefined;
    this.#previous = undefined;
  }

  async #formatOf(fd: number, given: LineFormat): Promise<LineFormat> {
    if (this.#format && this.#given === given) return this.#format;
    const { charset, certain } = await charsetOfFile(fd, given.charset);
    const format = charset === given.charset ? given : { ...given, charset };
    if (certain) [this.#given, this.#format] = [given, format];
    return format;
  }
}
