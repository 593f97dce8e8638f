export { openAdapterProcess } from './child/open-adapter-process.js'
export { serveAdapter } from './child/serve-adapter.js'
export type { AdapterUnderTest, Capabilities, MortalAdapter, TestFunctions, TestStorage } from './harness.js'
export { testAdapter } from './test-adapter.js'
