import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { programHandler } from '../src/worker/program-handler.js'
import { commandOf, isRunning, shell, startAttempt, until, written } from './program-attempt.js'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reprise-handler-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function attempt(...args: Parameters<typeof startAttempt>) {
  const started = await startAttempt(...args)
  onTestFinished(started.close)
  return started
}
const receiptOf = async (...args: Parameters<typeof startAttempt>) => (await attempt(...args)).receipt()

describe('a program that runs for a task', () => {
  it('gets the task on standard input and in its environment, and nothing that is meant for others', async () => {
    process.env.REPRISE_AT = 'redis://user:secret@host'
    onTestFinished(() => void delete process.env.REPRISE_AT)
    const tell = `const stdin = JSON.parse(require('fs').readFileSync(0, 'utf8')); const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('REPRISE_'))); console.log(JSON.stringify({ output: { stdin, env, args: process.argv.slice(1) } }))`
    const input = { text: '$(false) "\n\u0000' }
    const { output, status } = await receiptOf([process.execPath, '-e', tell, '$(false)', 'a b'], { input })
    expect(status).toBe('completed')
    const { stdin, env, args } = output as unknown as {
      stdin: Record<string, unknown>
      env: Record<string, string>
      args: string[]
    }
    expect(args).toEqual(['$(false)', 'a b'])
    expect(stdin).toMatchObject({
      runId: 'programs',
      taskId: 'task "1"',
      attempt: 1,
      deliveries: 1,
      kind: 'it',
      parent: null,
      depth: 0,
      input,
    })
    expect(env).toEqual({
      REPRISE_RUN: 'programs',
      REPRISE_TASK: 'task "1"',
      REPRISE_ATTEMPT: '1',
      REPRISE_DELIVERIES: '1',
      REPRISE_KIND: 'it',
      REPRISE_DEADLINE: stdin.deadlineAt,
      REPRISE_DEPTH: '0',
      REPRISE_TRACE_ID: 'programs',
      REPRISE_INPUT: JSON.stringify(input),
      REPRISE_ARTIFACTS: expect.stringContaining('reprise-programs-'),
    })
    expect(existsSync(env.REPRISE_ARTIFACTS ?? '')).toBe(false)
  })

  it('gets an input that is too large for an environment on standard input alone', async () => {
    const input = 'x'.repeat(200_000)
    const { output } = await receiptOf(shell('echo "{\\"output\\": [\\"$REPRISE_INPUT\\", $(wc -c)]}"'), { input })
    expect((output as [string, number])[0]).toBe('')
    expect((output as [string, number])[1]).toBeGreaterThan(200_000)
  })

  it('may end without reading its input', async () => {
    expect(await receiptOf(['true'], { input: 'x'.repeat(250_000) })).toMatchObject({
      status: 'completed',
      output: null,
    })
  })

  it('leaves its files as artifacts, those in folders too, with what was spent and asked for', async () => {
    const text = `cd $REPRISE_ARTIFACTS; printf one > a.txt; mkdir -p deep/er; printf two > 'deep/er/b c.txt'; echo '{"output":1,"usage":{"tokens":5,"costUsd":0.5},"spawn":[{"taskId":"child","kind":"it","input":2}]}'`
    const one = await attempt(shell(text))
    const receipt = await one.receipt()
    expect(receipt).toMatchObject({
      status: 'completed',
      output: 1,
      usage: { tokens: 5, costUsd: 0.5 },
      spawnRequests: [{ taskId: 'child' }],
    })
    expect(receipt.artifacts.map(({ name, bytes }) => [name, bytes])).toEqual([
      ['a.txt', 3],
      ['deep/er/b c.txt', 3],
    ])
    expect(await one.bytesOf(receipt, 'deep/er/b c.txt')).toBe('two')
  })

  it.each([
    ['a link out of it', 'ln -s /etc/passwd passwd', /"passwd".*is a link/],
    ['a folder that is a link', 'ln -s /etc etc', /"etc".*is a link/],
    ['a pipe', 'mkfifo pipe', /"pipe".*no regular file/],
    ['a name that a terminal would obey', `touch "$(printf 'a\\033[31mb')"`, /u001b.*control and invisible/],
    ['a name that is no UTF-8', `touch "$(printf 'a\\377b')"`, /UTF-8/],
    ['a name that is too long', 'd=$(printf %0200d 1); mkdir $d; touch $d/$d', /256 characters/],
    ['more files than a receipt can name', 'seq 65 | xargs touch', /more than 64 files/],
    ['a file that the run does not allow', 'head -c 2000000 /dev/zero > zero', /1000000/],
  ])('fails when it leaves %s', async (_what, text, message) => {
    const receipt = await receiptOf(shell(`cd $REPRISE_ARTIFACTS; ${text}`), { artifactBytesMax: 1_000_000 })
    expect(receipt).toMatchObject({
      status: 'failed',
      artifacts: [],
      error: { message: expect.stringMatching(message) },
    })
  })

  it('has failed with another exit code; what it said and left is kept, and the end of it is in the message', async () => {
    const one = await attempt(shell('echo out; echo "no route" >&2; echo half > $REPRISE_ARTIFACTS/half; exit 9'))
    const receipt = await one.receipt()
    expect(receipt).toMatchObject({
      status: 'failed',
      error: { message: 'the program exited with code 9: no route', code: 'PROGRAM_FAILED', retryable: true },
    })
    expect(await one.bytesOf(receipt, 'stdout.txt')).toBe('out\n')
    expect(await one.bytesOf(receipt, 'stderr.txt')).toBe('no route\n')
    expect(await one.bytesOf(receipt, 'half')).toBe('half\n')
  })

  it('keeps what it said when it has completed only if that is wanted, beside a file of that name', async () => {
    const text = 'echo mine > $REPRISE_ARTIFACTS/stdout.txt; echo out; echo err >&2'
    expect((await receiptOf(shell(text))).artifacts.map(({ name }) => name)).toEqual(['stdout.txt'])
    const one = await attempt(shell(text), { keepOutput: true })
    const receipt = await one.receipt()
    expect(receipt.status).toBe('completed')
    expect(await one.bytesOf(receipt, 'stdout.txt')).toBe('mine\n')
    expect(await one.bytesOf(receipt, 'stderr.txt')).toBe('err\n')
  })

  it('may say more than is kept, on both outputs, and fills no memory', async () => {
    const before = process.memoryUsage().rss
    const one = await attempt(
      shell('head -c 200000000 /dev/zero | tr "\\0" y; head -c 100000000 /dev/zero >&2; exit 1'),
    )
    const receipt = await one.receipt()
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 ** 2)
    const kept = await one.bytesOf(receipt, 'stdout.txt')
    expect(kept).toMatch(/^\[199934464 bytes before this were not kept\]\ny{65536}$/)
  })

  it('that prints for ever is stopped when its time is over', async () => {
    const receipt = await receiptOf(['yes'], { timeoutMs: 300 })
    expect(receipt).toMatchObject({
      status: 'failed',
      error: {
        message: expect.stringMatching(/SIGTERM after it was told to stop: it may take 300 ms/),
        retryable: true,
      },
    })
  })

  it('shows progress while it runs, if that is wanted', async () => {
    const go = join(folder, 'progress')
    const text = `echo '{"progress":{"done":1}}'; while [ ! -e ${go} ]; do sleep 0.05; done; echo '{"output":1}'`
    const one = await attempt(shell(text), { progress: true })
    await until(async () => {
      const where = await one.where()
      return where.at === 'claimed' && JSON.stringify(where.progress) === '{"done":1}'
    })
    writeFileSync(go, '')
    expect(await one.receipt()).toMatchObject({ status: 'completed', output: 1 })
  })

  it.each([
    ['is not there', ['/no/such/program'], /code 127.*\/no\/such\/program.*not found/],
    ['may not be run', ['/etc/passwd'], /code 126.*/],
  ])('has failed when it %s', async (_what, command, message) => {
    expect(await receiptOf(command)).toMatchObject({
      status: 'failed',
      error: { message: expect.stringMatching(message) },
    })
  })

  it('is refused before it runs when the options are not as documented', () => {
    for (const options of [
      { command: [] },
      { command: ['a'], timeoutMs: -1 },
      { command: ['a'], killAfterMs: 2 ** 31 },
    ]) {
      expect(() => programHandler('k', options)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
    }
    expect(() => programHandler('a kind', { command: ['a'] })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
  })
})

describe('a program that nobody wants any more', () => {
  /** Writes its own id and that of a child into a file, and waits. */
  const family = (path: string, ofChild: string, ofParent: string): string[] =>
    shell(
      `sh -c "${ofChild} while :; do sleep 0.1; done" & ${ofParent} echo $$ $! > ${path}.new; mv ${path}.new ${path}; while :; do sleep 0.1; done`,
    )
  const pids = async (path: string): Promise<number[]> => (await written(path)).trim().split(' ').map(Number)

  it('is ended with what it has started when the task is cancelled, and its folder is gone', async () => {
    const path = join(folder, 'cancelled')
    const one = await attempt(family(path, '', ''), {})
    const ids = await pids(path)
    expect(ids.every(isRunning)).toBe(true)
    await one.run.execute({ type: 'cancel', taskId: 'task "1"', reason: 'enough' })
    await until(() => one.worker.running === 0)
    expect(ids.filter(isRunning)).toEqual([])
  })

  it('may take its time for SIGTERM, and so may what it has started', async () => {
    const path = join(folder, 'gentle')
    const bye = join(folder, 'bye')
    // The one that was started goes by itself, a moment after the one that started it.
    const one = await attempt(family(path, `trap 'sleep 0.5; echo bye > ${bye}; exit' TERM;`, ''), {
      killAfterMs: 30_000,
    })
    await pids(path)
    await one.worker.close({ drainMs: 0 })
    await until(() => one.worker.running === 0)
    expect(await written(bye)).toBe('bye\n')
  })

  it('is killed when it does not mind SIGTERM, also if only what it has started does not', async () => {
    const path = join(folder, 'deaf')
    const one = await attempt(family(path, `trap '' TERM;`, ''), { killAfterMs: 200 })
    const ids = await pids(path)
    await one.worker.close({ drainMs: 0 })
    await until(() => one.worker.running === 0)
    expect(ids.filter(isRunning)).toEqual([])
  })

  it('is stopped at the deadline of its attempt', async () => {
    const seconds = `1000.${process.pid}`
    const one = await attempt(shell(`sleep ${seconds} & sleep ${seconds}`), { timeoutOfTaskMs: 500 })
    let stopped: string | null = null
    for await (const result of one.run.results()) {
      stopped = result.status
      break
    }
    expect(stopped).toBe('stopped')
    await until(() => one.worker.running === 0)
    const commands = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(commandOf)
    expect(commands.filter((command) => command.includes(seconds))).toEqual([])
  })

  it('takes with it what it has left running when it ends by itself, but what is in a session of its own', async () => {
    const path = join(folder, 'left')
    const text = `sleep 1000 & a=$!; setsid sleep 1000 & while [ "$(ps -o comm= -p $!)" != sleep ]; do sleep 0.02; done; echo $a $! > ${path}`
    const receipt = await receiptOf(shell(text))
    expect(receipt.status).toBe('completed')
    const [left = 0, away = 0] = await pids(path)
    await until(() => !isRunning(left))
    expect(isRunning(away)).toBe(true)
    process.kill(away, 'SIGKILL')
  })

  it('leaves nothing in the folder of all programs', async () => {
    const { error } = await receiptOf(shell('cd $REPRISE_ARTIFACTS; mkdir a; touch a/b; pwd >&2; exit 1'))
    const [path = ''] = /\/\S+$/.exec(error?.message ?? '') ?? []
    expect(path).toMatch(/reprise-programs-\w+\/task-\w+$/)
    await until(() => !existsSync(path))
    expect(readdirSync(dirname(path))).toEqual([])
  })

  it('is not started where no more files can be opened, says so, and is once they can', async () => {
    const script = `
      import { closeSync, openSync } from 'node:fs'
      import { ProgramHome } from '../dist/runtime/program-home.js'
      import { startProgram } from '../dist/runtime/start-program.js'
      const guard = new ProgramHome()
      const start = () => startProgram({
        command: ['true'], env: process.env, input: '', signal: new AbortController().signal, killAfterMs: 0, onOutput() {}, guard,
      })
      const taken = []
      const full = async () => {
        try { for (;;) taken.push(openSync('/dev/null')) } catch {}
        const end = await start().catch((error) => ({ by: 'thrown', error }))
        for (const fd of taken.splice(0)) closeSync(fd)
        return end.by + ' ' + end.error?.code
      }
      console.log(JSON.stringify([await full(), await start(), await full(), await start()]))
    `
    const limited = ['-c', 'ulimit -n 64 && exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', script]
    const { stdout } = await promisify(execFile)('sh', limited, { cwd: import.meta.dirname })
    const done = { by: 'exit', code: 0 }
    expect(JSON.parse(stdout)).toEqual(['error EMFILE', done, 'error EMFILE', done])
  })

  it('does its task also after the folder of all programs was tidied away, and the process that guards them killed', async () => {
    const { output } = await receiptOf(shell('echo "{\\"output\\":\\"$REPRISE_ARTIFACTS\\"}"'))
    const home = dirname(String(output))
    const guards = readdirSync('/proc').filter((pid) => commandOf(pid).endsWith(`\0${home}\0`))
    expect(guards).toHaveLength(1)
    process.kill(Number(guards[0]), 'SIGKILL')
    await until(() => !isRunning(Number(guards[0])))
    rmSync(home, { recursive: true })
    // The first one may still be told to the one that is gone.
    const statuses = [(await receiptOf(['true'])).status, (await receiptOf(['true'])).status]
    expect(statuses[1]).toBe('completed')
    expect(readdirSync('/proc').filter((pid) => commandOf(pid).endsWith(`\0${home}\0`))).toHaveLength(1)
  })
})
