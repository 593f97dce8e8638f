// npm run build: set-up and nothing else.
import { setUp } from './setup.mjs'

await setUp()
