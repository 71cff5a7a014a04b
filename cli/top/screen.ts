import { stripVTControlCharacters } from 'node:util';

const SIZE = { columns: 80, rows: 24 };

/** The other screen of a terminal, as top and less use it. Legal until it is disposed: then the terminal is as it was. */
export interface Screen extends Disposable {
  /** Shows these lines and nothing else, as far as there is room. */
  draw(lines: readonly string[]): void;
}

/** Takes over the terminal. `onKey` is told each key, Ctrl-C as `\x03`; `onResize` that there is other room. */
export function openScreen(
  input: NodeJS.ReadStream,
  output: NodeJS.WriteStream,
  { onKey, onResize }: { onKey(key: string): void; onResize(): void },
): Screen {
  const keys = (data: Buffer) => {
    // An arrow comes as an escape and more; an escape alone is the key Escape.
    for (const key of stripVTControlCharacters(data.toString())) onKey(key);
  };
  output.write('\x1b[?1049h\x1b[?25l');
  input.setRawMode(true);
  input.on('data', keys);
  output.on('resize', onResize);
  return {
    draw: (lines) => {
      const columns = output.columns || SIZE.columns;
      const shown = lines.slice(0, output.rows || SIZE.rows).map((line) => `${line.slice(0, columns)}\x1b[K`);
      output.write(`\x1b[H${shown.join('\r\n')}\x1b[J`);
    },
    [Symbol.dispose]: () => {
      input.off('data', keys);
      output.off('resize', onResize);
      input.setRawMode(false);
      input.pause();
      output.write('\x1b[?25h\x1b[?1049l');
    },
  };
}
