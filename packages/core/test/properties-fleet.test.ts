import { describe, it } from 'vitest'
import { planOf, type Theme } from './fleet-plan.js'
import { play } from './fleet-steps.js'
import { checkProperty } from './property-run.js'

const file = 'packages/core/test/properties-fleet.test.ts'

const claims: Record<Theme, string> = {
  crashes: 'whatever is killed, fails, hangs or answers late',
  takeovers: 'however many coordinators take the run over, zombies included',
  deliveries: 'however deliveries and receipts are repeated, reordered and forged',
  commands: 'whatever commands come from outside, and when',
}

describe('a fleet', () => {
  it.each(Object.entries(claims) as [Theme, string][])(
    '(%s) keeps I1 to I13 and finishes %s',
    { timeout: 3_600_000 },
    async (theme) => {
      await checkProperty(theme, file, planOf(theme), async (plan) => {
        await play(plan)
      })
    },
  )
})
