import { open, rename } from 'node:fs/promises';

/** Writes a file atomically: after a crash the file has the previous text or the new one. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  await using file = await open(temporary, 'w', 0o600);
  await file.writeFile(text);
  await file.sync();
  await rename(temporary, path);
}
