// Loaded into every process of the fleet before its own code: none of them outlives the program that started it, even
// if that is killed so hard that it cannot tell them.
const end = () => process.kill(process.pid, 'SIGTERM')
process.once('disconnect', end)
// It may be gone already; then nothing comes any more. Undefined: this process was started by hand.
if (process.connected === false) end()
// Listening for it must not keep a process that is done from ending.
process.channel?.unref()
