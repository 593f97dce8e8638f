// Loaded into every process of the fleet before its own code: none of them outlives the program that started it, even
// if that is killed so hard that it cannot tell them.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
// Listening for it must not keep a process that is done from ending.
process.channel?.unref()
