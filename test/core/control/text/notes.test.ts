import { expect, test } from 'bun:test'
import type { Notification } from '../../../../core/control/text/messages.ts'
import { makeControl } from '../../../support/control-plane.ts'

/** What each notification calls its devices. */
const namesIn = (note: Notification): string => {
  const { kind, event, item } = note
  const { ifname, link, dev } = item as { ifname?: string; link?: string; dev?: string }
  return [kind, event, ifname ?? dev, link].filter(Boolean).join(' ')
}

test('what goes with a link is told with the name that the link had', async () => {
  const { control, ip } = makeControl()
  await ip.veth('eth0')
  await ip.addr('10.0.0.1/24', 'eth0')
  const heard: Notification[] = []
  control.subscribe(['link', 'address', 'route'], (note) => heard.push(note))
  await control.request({ type: 'RTM_DELLINK', ifname: 'eth0' })
  const told = heard.map(namesIn)
  expect(told).toContain('route del eth0')
  expect(told).toContain('address del eth0 eth0p')
  expect(told.slice(-2)).toEqual(['link del eth0 eth0p', 'link del eth0p eth0'])
  expect(told.filter((line) => line.includes('if'))).toEqual([])
})

test('a name is the one of then, though the link is called otherwise by now', async () => {
  const { control, ip } = makeControl()
  await ip.veth('eth0')
  const heard: Notification[] = []
  control.subscribe(['link', 'route'], (note) => heard.push(note))
  // all of it is asked for before any is told
  await Promise.all([
    ip.addr('10.0.0.1/24', 'eth0'),
    ip.link('eth0', { newname: 'lan0' }),
    ip.addr('10.0.1.1/24', 'lan0'),
  ])
  const names = heard.map(namesIn)
  const at = names.findIndex((line) => line.startsWith('link new lan0'))
  expect(new Set(names.slice(0, at))).toEqual(new Set(['route new eth0']))
  expect(new Set(names.slice(at + 1))).toEqual(new Set(['route new lan0']))
})
