// Where a run of this example lives: a new folder each time, gone at the end unless it is to be kept.
import { mkdtempSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const makeWorkFolder = () => mkdtempSync(join(realpathSync(tmpdir()), 'reprise-compacted-'))

/** There once a coordinator has been told where the run stands and takes its time. @param {string} dir */
export const thinkingMark = (dir) => join(dir, 'thinking')
