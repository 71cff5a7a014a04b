import { open, rename } from 'node:fs/promises';

/** Writes atomically: a crash leaves the former file or the new one, whole. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  await using file = await open(temporary, 'w', 0o600);
  await file.writeFile(text);
  await file.sync();
  await rename(temporary, path);
}
