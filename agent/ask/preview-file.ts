import { PreviewFile } from '../../proto/gen/logfleet/v1/ask.ts';
import { archiveFormatOf } from '../collect/files/archive-format.ts';
import { closeFile, fstat, openToRead, readAt } from '../collect/files/file-io.ts';
import { charsetOfFile, lineStartBefore } from '../collect/read/line-starts.ts';
import { LineEncoder } from '../encode/line-encoder.ts';
import { lineFormat, type SharedFormat } from '../encode/line-format.ts';
import { RecordBuffer } from '../encode/record-buffer.ts';
import { sampleRecords } from '../encode/record-samples.ts';
import { type FoundFile, foundFile } from '../model/found-file.ts';
import { lineStates } from '../model/line-state.ts';

/** How much of a file is read at its beginning and at its end. */
const SAMPLE_BYTES = 64 * 1024;
/** The sample may grow by as much when a line's start is searched. */
const CHUNK_BYTES = 2 * SAMPLE_BYTES;
const LINE_BYTES_MAX = 512;
/** The most bytes of all lines, so that a response stays far below gRPC's limit of 4 MiB. */
const LINES_BYTES_MAX = 1024 * 1024;

/** A file that matches, as known without opening it. */
export interface MatchedFile {
  file: FoundFile;
  bytesPerSecond: number;
  /** The entry's acknowledged position, if it already reads the file. */
  position: number | undefined;
}

/**
 * Opens files as the collector would and makes the records that it would make of their beginnings
 * and ends. One file at a time.
 */
export class FilePreviews {
  readonly #shared: SharedFormat;
  readonly #lines: number;
  readonly #startState: (file: FoundFile) => 'beginning' | 'end';
  readonly #encoder = new LineEncoder();
  readonly #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  readonly #records = new RecordBuffer();
  #linesBytes = 0;
  sampledRecords = 0;
  keptRecords = 0;

  /** `lines`: how many first and last lines of each file are shown. */
  constructor(shared: SharedFormat, lines: number, startState: (file: FoundFile) => 'beginning' | 'end') {
    this.#shared = shared;
    this.#lines = lines;
    this.#startState = startState;
  }

  /** Whether no more lines are shown, because they have too many bytes. */
  get isFull(): boolean {
    return this.#linesBytes > LINES_BYTES_MAX;
  }

  /** What the collector would do with the file; `archive`: nothing. Never rejects. */
  async preview(
    { file: found, bytesPerSecond, position }: MatchedFile,
    withLines: boolean,
  ): Promise<PreviewFile | 'archive'> {
    const { path } = found;
    const known = { path, size: BigInt(found.size), bytesPerSecond, changeTime: new Date(found.changedMs) };
    let fd: number | undefined;
    try {
      fd = await openToRead(path, found.local);
      const file = foundFile(path, await fstat(fd));
      if (!file) throw new Error('is no longer a regular file');
      if (position === undefined && (await archiveFormatOf(fd)) !== undefined) return 'archive';
      const { charset } = await charsetOfFile(fd, this.#shared.charset);
      const end = () => lineStartBefore(fd as number, file.size, charset);
      const start = position ?? (this.#startState(file) === 'beginning' ? 0 : await end());
      const lines = withLines && this.#lines > 0 && !this.isFull ? await this.#linesOf(fd, file, charset) : {};
      return PreviewFile.create({ ...known, size: BigInt(file.size), start: BigInt(start), ...lines });
    } catch (error) {
      return PreviewFile.create({ ...known, error: (error as Error).message });
    } finally {
      if (fd !== undefined) closeFile(fd);
    }
  }

  async #linesOf(fd: number, { path, size }: FoundFile, charset: SharedFormat['charset']) {
    const format = { ...lineFormat(this.#shared, { path, generation: '' }), charset };
    const first = await this.#recordsAt(fd, 0, Math.min(size, SAMPLE_BYTES), format);
    const from = size <= SAMPLE_BYTES ? 0 : await lineStartBefore(fd, size - SAMPLE_BYTES, charset);
    const last = from === 0 ? first : await this.#recordsAt(fd, from, size, format);
    const shown = { firstLines: first.slice(0, this.#lines), lastLines: last.slice(-this.#lines) };
    for (const line of [...shown.firstLines, ...shown.lastLines]) this.#linesBytes += line.length;
    return shown;
  }

  /** The first and last records of a part of the file. An unterminated line is none. */
  async #recordsAt(fd: number, from: number, to: number, format: ReturnType<typeof lineFormat>): Promise<Buffer[]> {
    const { bytesRead } = await readAt(fd, this.#chunk, 0, Math.min(CHUNK_BYTES, to - from), from);
    const records = this.#records;
    records.reset();
    const { lineStart } = lineStates;
    const at = { position: from, rangeStart: from, startState: lineStart, endState: lineStart };
    const chunk = { bytes: this.#chunk, length: bytesRead, ...at, isLast: false, isFlushed: true };
    const encoded = this.#encoder.encode(chunk, format, records);
    this.sampledRecords += encoded.recordCount + encoded.filteredCount;
    this.keptRecords += encoded.recordCount;
    const count = encoded.recordCount;
    return sampleRecords(records.bytes, 0, { count, wanted: count, valueBytesMax: LINE_BYTES_MAX }).map(
      ({ value }) => value,
    );
  }
}
