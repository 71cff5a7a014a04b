import { execFile } from 'node:child_process';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { systemClock } from '../../../runtime/clock.ts';
import { errorText } from '../../../runtime/errors.ts';
import type { FileSystem } from './plan.ts';

const run = promisify(execFile);
/** More than a tick of the clock that file systems use, which is 1 to 10 ms. */
const TICKS_MS = 50;

/** A folder on the file system, for the files of a run. The path has no links. */
export async function mountFiles(
  folder: string,
  fileSystem: FileSystem,
  lowerFiles: Readonly<Record<string, string>>,
  say: (line: string) => void,
): Promise<AsyncDisposable> {
  await mkdir(folder, { recursive: true });
  const none = { [Symbol.asyncDispose]: async () => {} };
  if (fileSystem === 'disk') return none;
  try {
    if (fileSystem === 'tmpfs') await run('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', folder]);
    else await mountOverlay(folder, lowerFiles);
  } catch (error) {
    say(`${fileSystem} can't be mounted here, the disk takes its place (${errorText(error).split('\n')[0]})`);
    return none;
  }
  // Lazily: a process that was just killed may still hold it.
  return { [Symbol.asyncDispose]: async () => void (await run('umount', ['-l', folder])) };
}

/** Files in the lower folder are copied up by their first write. */
async function mountOverlay(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  const [lower, upper, work] = [`${folder}-lower`, `${folder}-upper`, `${folder}-work`];
  for (const each of [lower, upper, work]) await mkdir(each, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    await mkdir(`${lower}/${path}`.replace(/\/[^/]*$/, ''), { recursive: true });
    await writeFile(`${lower}/${path}`, '');
    // The times of its birth and of its change must differ, as with most files of an image.
    await systemClock.sleep(TICKS_MS);
    await appendFile(`${lower}/${path}`, text);
  }
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  await run('mount', ['-t', 'overlay', '-o', options, 'overlay', folder]);
}
