import { expect } from 'vitest'
import type { OpenRunOptions } from '../src/coordinator/open-run.js'
import type { Run } from '../src/coordinator/run.js'
import { readStateFile, stateFileText } from '../src/flow/state-file-text.js'
import { isRepriseError } from '../src/protocol/errors.js'
import { MemoryStateFile } from './memory-state-file.js'
import { type Holding, RunStage, runId } from './run-stage.js'

/** A stage whose coordinators keep one and the same state file. */
export class StateFileStage extends RunStage {
  readonly file = new MemoryStateFile()

  override opening(options: Partial<OpenRunOptions> = {}, process = this.process()): Promise<Holding> {
    return super.opening({ stateFile: this.file.of(process.runtime), ...options }, process)
  }

  /** Version and commit that the file says it is of; it must be intact. */
  get said(): { version: number; commit: string } {
    const said = readStateFile(this.file.text ?? '')
    expect(said).toMatchObject({ runId, intact: true })
    // Of the state that this very version left, not of one ahead of the log.
    expect(this.file.text).toContain(`Written from the log at version ${said?.version},`)
    return { version: said?.version ?? 0, commit: said?.commit ?? '' }
  }

  /** What the file must say to be that of the log. */
  get logged(): { version: number; commit: string } {
    return { version: this.commits.at(-1)?.version ?? 0, commit: this.backend.recordsOf(runId).at(-1)?.hash ?? '' }
  }

  /** Lets everything that is due be written. */
  async written(): Promise<void> {
    await this.clock.advance(500)
    expect(this.said).toEqual(this.logged)
  }
}

export const stateFileOf = (id: string, version: number, commit = 'f'.repeat(64)): string =>
  stateFileText({ runId: id, version, commit }, '# A body\n')

/** What a run tells of its state file from now on. */
export function listen(run: Run): { failures: string[]; drifts: string[] } {
  const heard = { failures: [] as string[], drifts: [] as string[] }
  run.on('transport-failed', (error) => heard.failures.push(isRepriseError(error) ? error.code : String(error)))
  run.on('state-file-drift', ({ found, keptAs }) => heard.drifts.push(`${found} ${keptAs ?? '-'}`))
  return heard
}
