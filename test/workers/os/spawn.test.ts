import { expect, test } from 'bun:test'
import { createSpawnPlan, waitForExit } from '../../../workers/os/spawn.ts'

test('a step that fails is named, with its errno and hint', () => {
  const plan = createSpawnPlan()
  plan.call('setns', [-1, 0], { must: true, hint: 'entering nothing' })
  plan.exec(['true'], {})
  expect(() => plan.spawn()).toThrow('setns: Bad file descriptor (EBADF): entering nothing')
})

test('a step that may fail does not stop the plan', async () => {
  const plan = createSpawnPlan()
  plan.call('setns', [-1, 0])
  plan.exec(['sh', '-c', 'exit 4'], { PATH: '/usr/bin:/bin' })
  expect(await waitForExit(plan.spawn())).toBe(4)
})

test('many processes at once each keep their own status', async () => {
  const statuses = Array.from({ length: 30 }, (_, i) => {
    const plan = createSpawnPlan()
    plan.exec(['sh', '-c', `exit ${i}`], { PATH: '/usr/bin:/bin' })
    return waitForExit(plan.spawn())
  })
  expect(await Promise.all(statuses)).toEqual(Array.from({ length: 30 }, (_, i) => i))
})
