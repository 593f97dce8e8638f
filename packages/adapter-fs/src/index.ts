/** Reprise on plain files: everything in one folder of one machine. */
export { type FilesAdapter, type OpenFilesOptions, openFiles } from './open-files.js'
