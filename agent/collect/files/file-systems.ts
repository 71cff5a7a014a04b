import { readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';

/**
 * The types (statfs(2), f_type) of file systems whose metadata is on this machine: ext, xfs, btrfs,
 * tmpfs, overlay, f2fs, zfs, bcachefs, ramfs.
 */
const LOCAL_TYPES: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0xf2f52010, 0x2fc12fc1, 0xca451a4e, 0x858458f6,
]);

/** Types in the mount table whose files the kernel makes: none is a log, and some never end. */
const KERNEL_TYPES: ReadonlySet<string> = new Set([
  ...['proc', 'sysfs', 'devtmpfs', 'devpts', 'cgroup', 'cgroup2', 'debugfs', 'tracefs', 'securityfs', 'configfs'],
  ...['pstore', 'bpf', 'mqueue', 'hugetlbfs', 'efivarfs', 'selinuxfs', 'binfmt_misc', 'fusectl', 'rpc_pipefs', 'nsfs'],
]);

const OVERLAY_TYPE = 0x794c7630;

/**
 * Whether a file at `path` has the same birth for as long as it exists. An overlay file system
 * copies a file of a lower layer to the upper one when it is first written to: the copy has the
 * inode number of the original, and a birth of its own.
 */
export async function keepsBirth(path: string): Promise<boolean> {
  return (await statfs(path)).type !== OVERLAY_TYPE;
}

/**
 * Knows which file systems are local. A stat there takes two microseconds and never waits for a
 * network, so it is called synchronously; through Node's thread pool it takes ten times as long.
 * Any other file system may block for ever and is used through the thread pool only.
 */
export class FileSystems {
  readonly #localDevices = new Set<bigint>();
  #kernelDevices: ReadonlySet<bigint> = new Set();
  #mounts: string | undefined = '';
  #version = 0;

  /**
   * Checks the mount table. If it changed, the returned version changes and no device is known to
   * be local.
   */
  refresh(): number {
    const mounts = mountTable();
    if (mounts === undefined || mounts !== this.#mounts) {
      this.#version++;
      this.#localDevices.clear();
      this.#kernelDevices = kernelDevices(mounts ?? '');
    }
    this.#mounts = mounts;
    return this.#version;
  }

  /** Determines whether the file system of `device`, which has `path`, is local. */
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

  /** Whether the kernel makes the files of a device, as in /proc, /sys and /dev. */
  isInKernel(device: bigint): boolean {
    return this.#kernelDevices.has(device);
  }
}

/** The file systems of this process: its mount namespace has one mount table. */
export const fileSystems = new FileSystems();

function mountTable(): string | undefined {
  try {
    return readFileSync('/proc/self/mountinfo', 'latin1');
  } catch {
    // Not Linux: the mount table is unknown.
    return undefined;
  }
}

/** The devices in a mount table, as in proc_pid_mountinfo(5), that have one of KERNEL_TYPES. */
function kernelDevices(mounts: string): ReadonlySet<bigint> {
  const devices = new Set<bigint>();
  for (const [, major = '', minor = '', type = ''] of mounts.matchAll(/^\d+ \d+ (\d+):(\d+) .* - (\S+) /gm))
    if (KERNEL_TYPES.has(type)) devices.add(makeDevice(BigInt(major), BigInt(minor)));
  return devices;
}

/** A device's number as stat(2) returns it: makedev(3). */
function makeDevice(major: bigint, minor: bigint): bigint {
  return (minor & 0xffn) | ((major & 0xfffn) << 8n) | ((minor & ~0xffn) << 12n) | ((major & ~0xfffn) << 32n);
}
