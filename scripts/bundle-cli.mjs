// Packs the built command into a few files, packages/cli/bundle: most of what a short command costs is finding and
// reading modules, and unpacked there are three hundred of them.
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { root } from './setup.mjs'

const folder = join(root, 'packages/cli')
const bundle = join(folder, 'bundle')
const fresh = join(folder, `bundle.${process.pid}`)

const packed = await rolldown({
  input: { reprise: join(folder, 'dist/bin.js') },
  platform: 'node',
  // Each brings a client library of its own, which is loaded when an address needs it.
  external: ['@reprise/adapter-redis', '@reprise/adapter-nats'],
})
await packed.write({ dir: fresh, format: 'esm', chunkFileNames: '[name]-[hash].js' })
await packed.close()
chmodSync(join(fresh, 'reprise.js'), 0o755)
// One that runs may still load a part of the old one: it goes as a whole, as late as possible.
const old = `${fresh}.old`
if (existsSync(bundle)) renameSync(bundle, old)
renameSync(fresh, bundle)
rmSync(old, { recursive: true, force: true })
