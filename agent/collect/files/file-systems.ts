import { readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';

/** What statfs(2) calls the file systems whose metadata this machine has itself: ext, xfs, btrfs, tmpfs, overlay, f2fs, zfs, bcachefs, ramfs. */
const LOCAL_TYPES: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0xf2f52010, 0x2fc12fc1, 0xca451a4e, 0x858458f6,
]);

/**
 * Which file systems are local. A look at a file there takes two microseconds and waits for no network, so that it is made at once; through
 * Node's thread pool it takes ten times as much. Any other may hang for ever, and is only asked through the thread pool.
 */
export class FileSystems {
  readonly #localDevices = new Set<bigint>();
  #mounts: string | undefined = '';
  #version = 0;

  /** Looks whether something was mounted: then the number returned is another one, and nothing is known to be local. */
  refresh(): number {
    const mounts = mountTable();
    if (mounts === undefined || mounts !== this.#mounts) {
      this.#version++;
      this.#localDevices.clear();
    }
    this.#mounts = mounts;
    return this.#version;
  }

  /** Learns whether the file system of `device`, on which `path` is, is local. */
  async learn(path: string, device: bigint): Promise<boolean> {
    if (this.isLocal(device)) return true;
    const version = this.#version;
    const type = await statfs(path).then(
      (stats) => stats.type,
      () => 0,
    );
    if (version === this.#version && LOCAL_TYPES.has(type)) this.#localDevices.add(device);
    return this.isLocal(device);
  }

  isLocal(device: bigint): boolean {
    return this.#localDevices.has(device);
  }
}

/** Those of this process. */
export const fileSystems = new FileSystems();

function mountTable(): string | undefined {
  try {
    return readFileSync('/proc/self/mountinfo', 'latin1');
  } catch {
    // Not Linux: nothing tells what is mounted.
    return undefined;
  }
}
