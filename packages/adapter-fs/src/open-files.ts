import { realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import {
  type Adapter,
  type ArtifactStore,
  type DiagnoseOptions,
  type Diagnosis,
  isRepriseError,
  RepriseError,
  type RunHistory,
  type RunSummaries,
  type SnapshotStore,
} from '@reprise/core/adapter'
import { fileFailure } from './file-failure.js'
import { type FileSystemKind, fileSystemKind } from './file-system-kind.js'
import { FilesArtifacts } from './files-artifacts.js'
import { diagnoseFiles } from './files-diagnose.js'
import { FilesHistory } from './files-history.js'
import { FilesInbox } from './files-inbox.js'
import { FilesLeases } from './files-leases.js'
import { FilesLog } from './files-log.js'
import { FilesQueue } from './files-queue.js'
import { FilesSnapshots } from './files-snapshots.js'
import { FilesSummaries } from './files-summaries.js'
import { checkFormat } from './folder-format.js'
import { Lifetime } from './lifetime.js'
import { createFolder } from './sync-folder.js'

export interface OpenFilesOptions {
  /** Folder that holds everything; created if it does not exist. Relative to the current directory. */
  readonly dir: string
  /** Opens a folder on a network file system as well, where commits can be lost and overwritten. Default: false. */
  readonly allowNetworkFileSystem?: boolean
}

/** Everything in one folder of this machine, shared by all processes that open it. */
export interface FilesAdapter extends Adapter {
  readonly name: 'files'
  /** The folder: absolute, without links. */
  readonly dir: string
  readonly artifacts: ArtifactStore
  readonly snapshots: SnapshotStore
  readonly history: RunHistory
  readonly summaries: RunSummaries
}

/**
 * Opens a folder for runs, tasks, messages, leases and artifacts. Any number of processes may have it open.
 * `UNSAFE_FILE_SYSTEM` on a network file system, `LOG_TOO_NEW` if a later library made the folder.
 */
export const openFiles = (options: OpenFilesOptions): Promise<FilesAdapter> => openFilesOn(options, fileSystemKind)

/** As `openFiles`, with the look at the file system replaceable: no test machine has all kinds of them. */
export async function openFilesOn(
  options: OpenFilesOptions,
  lookAt: (dir: string) => Promise<FileSystemKind>,
): Promise<FilesAdapter> {
  checkOptions(options)
  const dir = await createDir(options.dir)
  const kind = await lookAt(dir)
  if (kind.trust === 'network' && options.allowNetworkFileSystem !== true) throw unsafe(dir, kind)
  await checkFormat(dir)
  return filesAdapter(dir)
}

function filesAdapter(dir: string): FilesAdapter {
  const lifetime = new Lifetime()
  const log = new FilesLog(dir, lifetime)
  const leases = new FilesLeases(dir, lifetime)
  const queue = new FilesQueue(dir, leases, lifetime)
  const inbox = new FilesInbox(dir, lifetime)
  let closing: Promise<void> | null = null
  const close = async () => {
    // Consumers give back what they hold, which needs the leases.
    await queue.close()
    lifetime.end()
    await Promise.all([inbox.close(), log.close()])
  }
  return {
    name: 'files',
    dir,
    log,
    leases,
    queue,
    inbox,
    artifacts: new FilesArtifacts(dir, lifetime),
    snapshots: new FilesSnapshots(log, lifetime),
    history: new FilesHistory(log, lifetime),
    summaries: new FilesSummaries(dir, log, lifetime),
    diagnose: async (options?: DiagnoseOptions): Promise<Diagnosis> => {
      lifetime.assertOpen()
      return await diagnoseFiles(dir, options)
    },
    close: () => {
      closing ??= close()
      return closing
    },
  }
}

async function createDir(dir: string): Promise<string> {
  try {
    await createFolder(resolve(dir))
    return await realpath(dir)
  } catch (error) {
    if (!isRepriseError(error)) throw fileFailure(error, 'Opening', dir)
    if (!['EEXIST', 'ENOTDIR'].includes(String(error.details.systemCode))) throw error
    throw new RepriseError('INVALID_INPUT', `${dir} is not a folder. Give the path of one, or of one to be made.`)
  }
}

function checkOptions(options: OpenFilesOptions): void {
  const given: Readonly<Record<string, unknown>> = { ...options }
  const { dir, allowNetworkFileSystem, ...others } = given
  if (typeof dir !== 'string' || dir === '' || dir.includes('\0')) {
    throw new RepriseError('INVALID_INPUT', "openFiles needs a folder: openFiles({ dir: '.reprise' }).")
  }
  if (allowNetworkFileSystem !== undefined && typeof allowNetworkFileSystem !== 'boolean') {
    throw new RepriseError('INVALID_INPUT', 'The option allowNetworkFileSystem of openFiles must be true or false.')
  }
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) {
    throw new RepriseError(
      'INVALID_INPUT',
      `openFiles has no option "${unknown}". It takes dir and allowNetworkFileSystem.`,
    )
  }
}

const unsafe = (dir: string, kind: FileSystemKind): RepriseError =>
  new RepriseError(
    'UNSAFE_FILE_SYSTEM',
    `${dir} is on ${kind.name}, where processes can overwrite each other's commits and synced bytes can be lost. ` +
      'Use a folder on a local disk, or an adapter made for the network; or force it with allowNetworkFileSystem: true.',
    { details: { dir, fileSystem: kind.name } },
  )
