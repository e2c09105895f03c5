import { expect, test } from 'bun:test'
import { isRefused } from '../../../core/control/text/names.ts'
import type { Notification } from '../../../core/control/text/messages.ts'
import { NLM_F_CREATE } from '../../../core/control/nlm-flags.ts'
import { fakeNets, FLAGS, makeControl } from '../../support/control-plane.ts'

const setUp = () => {
  const nets = fakeNets()
  const { control } = makeControl({}, {}, 0, nets)
  const told: Notification[] = []
  control.subscribe(['netns'], (note) => told.push(note))
  const add = (name: string, flags = FLAGS.add) =>
    control.request({ type: 'NETNS_NEW', flags, name })
  const del = (name: string) => control.request({ type: 'NETNS_DEL', name })
  const refusal = async (reply: ReturnType<typeof add>): Promise<string> => {
    const said = await reply
    return isRefused(said) ? said.message : 'done'
  }
  return { control, nets, told, add, del, refusal }
}

test('a namespace is made and ended, each in a revision of its own, and watchers hear it', async () => {
  const { control, nets, told, add, del } = setUp()
  const before = control.revision()
  expect(await add('blue')).toMatchObject({
    error: 0,
    item: { name: 'blue' },
    revision: before + 1,
  })
  expect([...control.dump({ type: 'NETNS' })].flat()).toEqual([{ name: 'blue' }])
  expect(await del('blue')).toMatchObject({ error: 0, revision: before + 2 })
  expect(nets.names()).toEqual([])
  expect(told).toMatchObject([
    { kind: 'netns', event: 'new', item: { name: 'blue' }, revision: before + 1 },
    { kind: 'netns', event: 'del', item: { name: 'blue' }, revision: before + 2 },
  ])
})

test('what is refused is said in the words of ip netns, and changes nothing', async () => {
  const { control, told, add, del, refusal } = setUp()
  await add('blue')
  const before = control.revision()
  expect(await refusal(add('blue'))).toBe(
    'Cannot create namespace file "/run/netns/blue": File exists'
  )
  for (const name of ['', '.', '..', 'a/b', 'x'.repeat(256)])
    expect(await refusal(add(name))).toBe(`Invalid netns name "${name}"`)
  expect(await refusal(del('red'))).toBe(
    'Cannot remove namespace file "/run/netns/red": No such file or directory'
  )
  expect([control.revision(), told.length]).toEqual([before, 1])
  await add('red')
  expect(await refusal(add('green'))).toBe(
    'Failed to create a new network namespace "green": No space left on device'
  )
})

test('one that may be there already is there, and nothing has changed', async () => {
  const { control, told, add } = setUp()
  await add('blue')
  const before = control.revision()
  expect(await add('blue', NLM_F_CREATE)).toMatchObject({ error: 0, item: { name: 'blue' } })
  expect([control.revision(), told.length]).toEqual([before, 1])
})

test('a net of its own alone has no others', async () => {
  const { control } = makeControl()
  const reply = await control.request({ type: 'NETNS_NEW', flags: FLAGS.add, name: 'blue' })
  expect(reply).toMatchObject({
    message: 'Cannot create namespace file "/run/netns/blue": Operation not supported',
  })
  expect([...control.dump({ type: 'NETNS' })].flat()).toEqual([])
})
