import { afterAll, beforeAll, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import type { Block } from '../../../workers/os/libc.ts'
import { block, Errno, errno, libc } from '../../../workers/os/libc.ts'
import type { PacketSocket } from '../../../workers/os/packet.ts'
import { openPacket } from '../../../workers/os/packet.ts'
import { withRtnetlink } from '../../../workers/os/rtnetlink.ts'
import { plainFrame, tcpSuperFrame } from './support/frames.ts'
import { describeInside } from './support/inside.ts'

describeInside(import.meta.path, 'packet socket', () => {
  let a: PacketSocket
  let b: PacketSocket
  const received = block(10 + 65536)

  beforeAll(() => {
    withRtnetlink((rtnl) => {
      rtnl.addVeth({ name: 'pa' }, { name: 'pb' })
      for (const name of ['pa', 'pb']) {
        writeFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, '1')
        rtnl.setLink(name, { up: true })
      }
    })
    a = openPacket({ ifname: 'pa' })
    b = openPacket({ ifname: 'pb' })
  })

  afterAll(() => {
    libc.close(a.fd)
    libc.close(b.fd)
  })

  const pass = (frame: Block): Uint8Array => {
    expect(libc.write(a.fd, frame.at, frame.bytes.length)).toBe(frame.bytes.length)
    const count = libc.read(b.fd, received.at, received.bytes.length)
    return received.bytes.subarray(0, count)
  }

  test('a frame crosses a veth pair', () => {
    const frame = plainFrame(60)
    expect(pass(frame)).toEqual(frame.bytes)
  })

  test('an empty socket says EAGAIN', () => {
    expect(libc.read(b.fd, received.at, 100)).toBe(-1)
    expect(errno()).toBe(Errno.EAGAIN)
  })

  test('what the socket itself sent does not come back to it', () => {
    pass(plainFrame(60))
    expect(libc.read(a.fd, received.at, 100)).toBe(-1)
  })

  test('a TSO frame of nearly 64 KB arrives whole with its vnet header', () => {
    const frame = tcpSuperFrame(65000, 1448)
    const got = pass(frame)
    expect(got.length).toBe(frame.bytes.length)
    expect(got.subarray(0, 10)).toEqual(frame.bytes.subarray(0, 10))
    expect(Buffer.compare(got, frame.bytes)).toBe(0)
  })

  test('a missing interface is named', () => {
    expect(() => openPacket({ ifname: 'nosuch0' })).toThrow('link nosuch0')
  })
})
