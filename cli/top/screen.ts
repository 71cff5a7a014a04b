import { stripVTControlCharacters } from 'node:util';

/** For terminals that do not report their size. */
const DEFAULT_SIZE = { columns: 80, rows: 24 };

/** A terminal's alternate screen, as top and less use it. Dispose restores the terminal. */
export interface Screen extends Disposable {
  /** Replaces the content by the lines that fit. */
  draw(lines: readonly string[]): void;
}

/** Switches the terminal to raw mode. `onKey` gets each key, Ctrl-C as `\x03`. */
export function openScreen(
  input: NodeJS.ReadStream,
  output: NodeJS.WriteStream,
  { onKey, onResize }: { onKey(key: string): void; onResize(): void },
): Screen {
  const onData = (data: Buffer) => {
    // Arrow keys are escape sequences and are removed; a single escape is the Escape key.
    for (const key of stripVTControlCharacters(data.toString())) onKey(key);
  };
  output.write('\x1b[?1049h\x1b[?25l');
  input.setRawMode(true);
  input.on('data', onData);
  output.on('resize', onResize);
  return {
    draw: (lines) => {
      const columns = output.columns || DEFAULT_SIZE.columns;
      const shown = lines.slice(0, output.rows || DEFAULT_SIZE.rows).map((line) => `${line.slice(0, columns)}\x1b[K`);
      output.write(`\x1b[H${shown.join('\r\n')}\x1b[J`);
    },
    [Symbol.dispose]: () => {
      input.off('data', onData);
      output.off('resize', onResize);
      input.setRawMode(false);
      input.pause();
      output.write('\x1b[?25h\x1b[?1049l');
    },
  };
}
