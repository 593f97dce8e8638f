import { readFile, statfs } from 'node:fs/promises'

/**
 * What a file system can be trusted with. `local`: appends of several processes do not mix, and synced bytes survive
 * an outage. `memory`: the first only. `shared`: a folder of the host in a virtual machine; the first, and the second
 * as far as the host keeps its word. `network`: neither is sure. `unknown`: nothing is known, nothing speaks against it.
 */
export type FileSystemTrust = 'local' | 'memory' | 'shared' | 'network' | 'unknown'

export interface FileSystemKind {
  /** `ext4`, `nfs`, `fuse.sshfs`, … */
  readonly name: string
  readonly trust: FileSystemTrust
}

/** The numbers by which Linux tells file systems apart (`statfs(2)`, `linux/magic.h`). */
const byMagic: ReadonlyMap<number, FileSystemKind> = new Map(
  (
    [
      ['local', { ext4: 0xef53, xfs: 0x58465342, btrfs: 0x9123683e, zfs: 0x2fc12fc1, f2fs: 0xf2f52010 }],
      ['local', { overlay: 0x794c7630, bcachefs: 0xca451a4e, jfs: 0x3153464a, reiserfs: 0x52654973, nilfs: 0x3434 }],
      ['local', { ecryptfs: 0xf15f, ntfs: 0x5346544e, ntfs3: 0x7366746e, hfsplus: 0x482b }],
      ['memory', { tmpfs: 0x01021994, ramfs: 0x858458f6 }],
      ['shared', { vboxsf: 0x786f4256 }],
      // 9p does not lock a file while it looks for its end: appends of two processes can overwrite each other.
      ['network', { '9p': 0x01021997, nfs: 0x6969, smb: 0x517b, cifs: 0xff534d42, smb2: 0xfe534d42 }],
      ['network', { ceph: 0x00c36400, afs: 0x5346414f, kafs: 0x6b414653, coda: 0x73757245, ncp: 0x564c }],
      ['network', { lustre: 0x0bd00bd0, gpfs: 0x47504653, ocfs2: 0x7461636f, gfs2: 0x01161970 }],
    ] as const
  ).flatMap(([trust, names]) =>
    Object.entries(names).map(([name, magic]): [number, FileSystemKind] => [magic, { name, trust }]),
  ),
)

/** Behind this number is any program: the mount table tells which. */
const fuseMagic = 0x65735546
const localFuse = /^fuseblk$|^fuse\.(?:ntfs|ext4|exfat|gocryptfs|encfs|cryfs|mergerfs|bindfs|fuse-overlayfs|lxcfs)/

/** `mountType`: what the mount table calls it; only needed for FUSE. */
export function classifyFileSystem(magic: number, mountType: string | null): FileSystemKind {
  const known = byMagic.get(magic >>> 0)
  if (known !== undefined) return known
  if (magic !== fuseMagic) return { name: mountType ?? `0x${(magic >>> 0).toString(16)}`, trust: 'unknown' }
  if (mountType === null || mountType === 'virtiofs' || mountType === 'fuse')
    return { name: mountType ?? 'fuse', trust: 'shared' }
  // sshfs, rclone, s3fs, glusterfs, davfs and many more: what is not known to be local is taken to be remote.
  return { name: mountType, trust: localFuse.test(mountType) ? 'local' : 'network' }
}

/** What a folder is on. Costs one system call on common file systems. */
export async function fileSystemKind(path: string): Promise<FileSystemKind> {
  if (process.platform === 'win32') {
    return /^[\\/]{2}(?![?.][\\/])/.test(path)
      ? { name: 'unc', trust: 'network' }
      : { name: 'windows', trust: 'unknown' }
  }
  if (process.platform !== 'linux') return { name: process.platform, trust: 'unknown' }
  const { type } = await statfs(path)
  const isCommon = byMagic.has(type >>> 0)
  return classifyFileSystem(type, isCommon ? null : await mountTypeOf(path))
}

/** The type of the innermost mount that `path` (absolute, without links) is on. */
async function mountTypeOf(path: string): Promise<string | null> {
  const table = await readFile('/proc/mounts', 'utf8').catch(() => '')
  let type: string | null = null
  let longest = 0
  for (const line of table.split('\n')) {
    const [, mount = '', mountType = ''] = line.split(' ')
    const point = mount.replace(/\\([0-7]{3})/g, (_escape, code: string) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    )
    const isAbove = path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`)
    // A later mount on the same point hides the earlier one.
    if (!isAbove || point.length < longest) continue
    longest = point.length
    type = mountType
  }
  return type
}
