import { expect, test } from 'bun:test'
import { withRtnetlink } from '../../../workers/os/rtnetlink.ts'
import { describeInside } from './support/inside.ts'

describeInside(import.meta.path, 'rtnetlink', () => {
  test('changes name, MAC, MTU and state of a link', () => {
    withRtnetlink((rtnl) => {
      rtnl.addVeth({ name: 'a0', mac: '02:00:00:00:00:0a' }, { name: 'b0', mtu: 9000 })
      expect(rtnl.getLink('a0')).toMatchObject({ mac: '02:00:00:00:00:0a', mtu: 1500, up: false })
      expect(rtnl.getLink('b0').mtu).toBe(9000)
      rtnl.setLink('a0', { rename: 'wan', mac: '02:00:00:00:00:0b', mtu: 1400 })
      rtnl.setLink('wan', { up: true })
      expect(rtnl.getLink('wan')).toMatchObject({ mac: '02:00:00:00:00:0b', mtu: 1400, up: true })
      rtnl.setLink('wan', { up: false })
      expect(rtnl.getLink('wan').up).toBe(false)
      rtnl.deleteLink('wan')
      expect(() => rtnl.getLink('b0')).toThrow('ENODEV')
    })
  })

  test('adds addresses and routes of both families', () => {
    withRtnetlink((rtnl) => {
      rtnl.addVeth({ name: 'a1' }, { name: 'b1' })
      rtnl.setLink('a1', { up: true })
      rtnl.setLink('b1', { up: true })
      rtnl.addAddress('a1', '10.0.1.2/24')
      rtnl.addAddress('a1', 'fd00::2/64')
      rtnl.addRoute({ to: 'default', via: '10.0.1.1' })
      rtnl.addRoute({ to: 'default', via: 'fd00::1' })
      rtnl.addRoute({ to: '10.9.0.0/16', dev: 'a1' })
      expect(() => rtnl.addAddress('a1', '10.0.1.2/24')).toThrow('EEXIST')
      expect(() => rtnl.addRoute({ to: '10.8.0.0/16', via: '10.7.0.1' })).toThrow(
        'Nexthop has invalid gateway'
      )
      rtnl.deleteLink('a1')
    })
  })

  test('a name that is taken is refused with the reason', () => {
    withRtnetlink((rtnl) => {
      rtnl.addVeth({ name: 'a2' }, { name: 'b2' })
      expect(() => rtnl.addVeth({ name: 'a2' }, { name: 'c2' })).toThrow('add veth a2')
      rtnl.deleteLink('a2')
    })
  })
})
