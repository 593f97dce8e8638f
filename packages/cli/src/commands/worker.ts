import { defineCommand } from '../command.js'
import { runWorker } from '../worker/run-worker.js'
import { workerLineSchema, workerText } from '../worker/worker-line.js'
import { readSettings } from '../worker/worker-settings.js'

const details = `
Claims tasks of the given kinds and runs a program for each, until Ctrl-C or SIGTERM. It needs no coordinator here: it takes
what the queue of the backend offers, sends receipts, and writes to no log.

The program: --exec COMMAND is read by /bin/sh -c, as in a crontab. After -- stands a program with its arguments, which no shell
reads. Tasks never become part of a command line: a program gets its task
  - on standard input, as one line of JSON: runId, taskId, attempt, deliveries, kind, deadlineAt, parent, depth, traceId, input;
  - in its environment: REPRISE_RUN, REPRISE_TASK, REPRISE_ATTEMPT, REPRISE_DELIVERIES, REPRISE_KIND, REPRISE_DEADLINE,
    REPRISE_DEPTH, REPRISE_TRACE_ID, REPRISE_PARENT if there is one, and REPRISE_INPUT (JSON) if that is at most 16 KiB.
Of this command's own environment everything but REPRISE_... is handed down; --pass-at adds REPRISE_AT and REPRISE_WITH.
Variables with names that a shell does not know, such as a.b, do not pass every /bin/sh.

Artifacts: REPRISE_ARTIFACTS is a fresh private folder. The regular files in it when the program ends become artifacts, named by
their path in it: at most 64. A link, a device or a name with control characters fails the attempt. The folder is removed.

The result: the last line of standard output that is a JSON object with no other keys than these, all of them optional:
  output (any JSON, at most 256 KiB), status (completed, partial or failed), error (a text, or {message, code?, retryable?}),
  stoppedAt, resumeInstructions (texts), usage ({tokens?, costUsd?}), spawn (tasks to ask the coordinator for)
Without such a line the output is null. All other lines may be anything.

Exit code 0: completed, or what the line says. Code 100: failed for good, no other attempt is made. Any other code, or a signal:
failed, another attempt may be made; 126 and 127 mean that the program could not be started. A line that says failed wins. A
line that begins like a result and is broken fails the attempt: nothing is lost in silence.

With --progress, lines {"progress": ...} of at most 1 KiB are shown by whoever asks where the attempt is.

What is said: the last 64 KiB of each output are kept, as artifacts stdout.txt and stderr.txt if the attempt failed, or with
--keep-output; the end of standard error goes into the message of a failure. An attempt that is answered at its deadline has
neither: give a shorter --timeout to see them.

The end of a program: when the task is cancelled, the deadline or --timeout passes, the claim is lost or the worker stops, the
program and all that it has started get SIGTERM, and what is left after --kill-after gets SIGKILL. What it leaves running when it
ends by itself gets SIGKILL at once. Only what makes a session of its own escapes (setsid).

The end of the worker: the first Ctrl-C or SIGTERM takes no new tasks and gives what runs --drain seconds, then stops it: those
attempts are offered again. A second one ends at once. If the worker is killed, a process beside it (/bin/sh) stops its programs
in the same way within seconds, and its attempts are offered again.
`

export const worker = defineCommand({
  args: {
    PROGRAM: { says: 'after --: the program and its arguments, which no shell reads', optional: true, many: true },
  },
  options: {
    exec: { value: 'COMMAND', says: 'what /bin/sh -c runs for each task' },
    kind: { value: 'KIND', many: true, says: 'a kind of tasks that it is for; others are refused' },
    lane: { value: 'LANE', many: true, says: 'the lane to take tasks from; without one: default' },
    concurrency: { value: 'NUMBER', says: 'programs at once, per lane (default: 1)' },
    timeout: { value: 'SECONDS', says: 'what a program may take, beside the deadline of its attempt' },
    'kill-after': { value: 'SECONDS', says: 'from SIGTERM to SIGKILL (default: 5)' },
    drain: { value: 'SECONDS', says: 'what running programs get to end when the worker is stopped (default: 30)' },
    once: { says: 'end after one task' },
    'until-idle': { value: 'SECONDS', says: 'end when it was given nothing for so long' },
    'keep-output': { says: 'keep stdout.txt and stderr.txt of completed attempts too' },
    progress: { says: 'take lines {"progress": ...} as progress' },
    cwd: { value: 'FOLDER', what: 'folder', says: 'where programs run (default: here)' },
    'worker-id': { value: 'ID', says: 'unique among live workers (default: host, process id and something random)' },
    sign: { value: 'KEYFILE', what: 'file', says: 'an Ed25519 private key (PKCS #8 PEM) that signs receipts' },
    'key-id': { value: 'ID', says: 'under which the policy of the run knows the public key' },
    'pass-at': { says: 'hand the address of the backend down, with its password, as REPRISE_AT' },
  },
  details,
  examples: [
    {
      line: `worker --kind count --exec 'echo "{\\"output\\": $(wc -l < "$(cat | jq -r .input.path)")}"'`,
      says: 'counts the lines of a file per task',
    },
    {
      line: 'worker --kind thumbnail --lane images --concurrency 4 -- ./make-thumbnail --size 200',
      says: 'four programs at once, without a shell; what they leave in $REPRISE_ARTIFACTS is kept',
    },
    { line: 'worker --kind nightly --until-idle 60 -- ./nightly.sh', says: 'works the queue off, then ends' },
  ],
  output: 'lines',
  schema: workerLineSchema,
  run: async function* (context, { args, options }) {
    const settings = await readSettings(context, { program: args.PROGRAM, options })
    yield* runWorker(await context.open({ to: 'write' }), settings, context.signal)
  },
  human: workerText,
})
