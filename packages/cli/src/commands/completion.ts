import { z } from 'zod'
import { defineCommand } from '../command.js'
import { usage } from '../command-failure.js'
import { completionScripts, shells } from '../complete/scripts.js'

const schema = z.object({ shell: z.enum(shells), script: z.string().describe('what the shell loads') })

export const completion = defineCommand({
  args: { SHELL: { says: 'the shell', oneOf: shells } },
  options: {},
  details: `
Prints a script that a shell loads to complete commands, options, their values, run ids and the ids of tasks. Where to put it:
  - bash: eval "$(reprise completion bash)" in ~/.bashrc
  - zsh: eval "$(reprise completion zsh)" in ~/.zshrc, behind compinit; or as a file _reprise in a folder of $fpath
  - fish: reprise completion fish > ~/.config/fish/completions/reprise.fish

Ids come from the backend of --at, of REPRISE_AT or of the nearest .reprise. One that does not answer within half a second is
not waited for.
`,
  examples: [{ line: 'completion bash >> ~/.bash_completion', says: 'for every bash that is started from now on' }],
  output: 'document',
  schema,
  run: async (_context, { args }) => {
    const shell = shells.find((one) => one === args.SHELL)
    if (shell === undefined) throw usage(`There is no completion for ${args.SHELL}: give bash, zsh or fish.`)
    return { shell, script: completionScripts[shell] }
  },
  human: ({ script }) => script,
})
