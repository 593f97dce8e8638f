import { RepriseError } from '@reprise/core/adapter'
import { Redis } from 'ioredis'
import { expect, it, onTestFinished } from 'vitest'
import { aclArguments, type Role, roles } from './acl-roles.js'
import { anOffer, gate, offersNamed, open, prefix, privateServer, record, run, until } from './queue-stage.js'

const password = 'secret'

it('delivers, gives back, withdraws and takes from the dead with no more rights than a role has', async () => {
  const server = await privateServer()
  const redis = new Redis(server.url)
  onTestFinished(() => redis.disconnect())
  for (const [role, rules] of Object.entries(roles(prefix))) {
    await redis.call('ACL', 'SETUSER', role, 'reset', 'on', `>${password}`, ...aclArguments(rules))
  }
  const as = (role: Role) => open(server.url.replace('//', `//${role}:${password}@`))
  const [coordinator, worker, dying, inspector] = [
    await as('coordinator'),
    await as('worker'),
    await as('worker'),
    await as('inspector'),
  ]
  // Opening asks for settings that not every role may read, and copes.
  await redis.call('ACL', 'LOG', 'RESET')
  const names = [...offersNamed(20), ...['kept', 'bad', 'waiting'].map((id) => anOffer(id))]
  await coordinator.queue.offer([...names, anOffer('withdrawn')])
  await coordinator.queue.withdraw(run, anOffer('withdrawn').taskId, 1)

  const dead = await record(dying, { claimTtlMs: 600_000, concurrency: 1 }, () => new Promise(() => {}))
  await until(() => dead.deliveries.length > 0, 'the first worker has one')
  // As if it were gone: its claim has run out, and no heartbeat comes for minutes.
  await redis.del(`{${prefix}:lane:default}:tasks:run-1.task-0.1:lock`)
  const done = gate()
  const living = await record(
    worker,
    { claimTtlMs: 6_000, concurrency: 8 },
    async ({ offer, deliveries, progress }) => {
      progress({ done: 1 })
      if (offer.taskId === 'bad' && deliveries < 3) throw new Error('not this time')
      if (offer.taskId === 'kept' || offer.taskId === 'waiting') await done.opened
    },
  )
  const progressOf = async (id: string): Promise<unknown> => {
    const found = await inspector.queue.locate(run, anOffer(id).taskId, 1)
    return found.at === 'claimed' ? found.progress : undefined
  }
  await until(async () => (await progressOf('kept')) !== undefined, 'a heartbeat was noted')
  await coordinator.queue.withdraw(run, anOffer('kept').taskId, 1)
  const kept = living.deliveries.find(({ offer }) => offer.taskId === 'kept')
  await until(() => kept?.signal.aborted === true, 'the worker heard of the withdrawal')
  await until(() => living.taskIds().includes('task-0'), 'what the dead one held is taken from it')
  await dead.consumer.close()
  await until(() => names.every(({ taskId }) => living.taskIds().includes(taskId)), 'all are delivered')
  await until(() => living.taskIds().filter((id) => id === 'bad').length === 3, 'what was rejected came again')
  await living.consumer.close()
  expect(await inspector.queue.locate(run, anOffer('waiting').taskId, 1)).toMatchObject({ at: 'queued' })
  expect([dead.errors, living.errors]).toEqual([[], []])
  expect(await redis.call('ACL', 'LOG')).toEqual([])

  const refused = (call: Promise<unknown>) => expect(call).rejects.toBeInstanceOf(RepriseError)
  await refused(inspector.queue.offer([anOffer('forged')]))
  await refused(inspector.queue.withdraw(run, anOffer('waiting').taskId, 1))
  await refused(record(inspector))
  await refused(worker.queue.locate(run, anOffer('waiting').taskId, 1))
}, 60_000)
