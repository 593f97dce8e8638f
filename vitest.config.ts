import { defineConfig } from 'vitest/config'

// Tests import '@reprise/*' through the packages' exports, that is the built dist: what is tested is what is published.
export default defineConfig({
  test: {
    include: ['packages/*/test/**/*.test.ts', 'scripts/test/**/*.test.{ts,mjs}'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', './scripts/skip-reporter.mjs'],
  },
})
