import { expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { block, Errno, errno, libc, OsError } from '../../../workers/os/libc.ts'
import { openPacket } from '../../../workers/os/packet.ts'
import { withRtnetlink } from '../../../workers/os/rtnetlink.ts'
import type { TapOptions } from '../../../workers/os/tap.ts'
import { openTap, TunOffload } from '../../../workers/os/tap.ts'
import { plainFrame, tcpSuperFrame } from './support/frames.ts'
import { describeInside } from './support/inside.ts'

const openable = (): boolean => {
  try {
    libc.close(openTap({ name: 'probe%d' }).fd)
    return true
  } catch (error) {
    if (!(error instanceof OsError)) throw error
    console.log(`no TAP here, packet sockets stand in for it: ${error.message}`)
    return false
  }
}

describeInside(import.meta.path, 'tap', () => {
  const testTap = test.skipIf(!openable())
  const received = block(10 + 65536)

  /** A TAP that is up, and a packet socket on the kernel's side of it. */
  const withTap = (options: TapOptions, work: (tap: number, kernel: number) => void): void => {
    const tap = openTap({ ...options, link: { up: true } })
    const kernel = openPacket({ ifname: options.name })
    try {
      work(tap.fd, kernel.fd)
    } finally {
      libc.close(tap.fd)
      libc.close(kernel.fd)
    }
  }

  testTap('opens with offloads and describes the interface', () => {
    const tap = openTap({ name: 'tap7', link: { up: true, mtu: 9000, mac: '02:00:00:00:00:07' } })
    expect(tap).toMatchObject({ name: 'tap7', mtu: 9000, mac: '02:00:00:00:00:07', vnetHdrLen: 10 })
    expect(tap.offload & TunOffload.TSO4).toBe(TunOffload.TSO4)
    expect(withRtnetlink((rtnl) => rtnl.getLink('tap7'))).toMatchObject({
      up: true,
      ifindex: tap.ifindex,
    })
    libc.close(tap.fd)
    expect(() => withRtnetlink((rtnl) => rtnl.getLink('tap7'))).toThrow('ENODEV')
  })

  testTap('passes frames both ways', () => {
    withTap({ name: 'tap1' }, (tap, kernel) => {
      const frame = plainFrame(60)
      expect(libc.write(tap, frame.at, frame.bytes.length)).toBe(frame.bytes.length)
      expect(libc.read(kernel, received.at, received.bytes.length)).toBe(frame.bytes.length)
      expect(libc.write(kernel, frame.at, frame.bytes.length)).toBe(frame.bytes.length)
      // The kernel's own IPv6 speaks on a new link as well.
      let count = libc.read(tap, received.at, received.bytes.length)
      while (count > 0 && received.view.getUint16(22) !== 0x88b5) {
        count = libc.read(tap, received.at, received.bytes.length)
      }
      expect(received.bytes.subarray(0, count)).toEqual(frame.bytes)
    })
  })

  testTap('a TSO frame leaves the kernel whole', () => {
    withTap({ name: 'tap2' }, (tap, kernel) => {
      const frame = tcpSuperFrame(65000, 1448)
      expect(libc.write(kernel, frame.at, frame.bytes.length)).toBe(frame.bytes.length)
      let count = libc.read(tap, received.at, received.bytes.length)
      while (count > 0 && count < 1000) {
        count = libc.read(tap, received.at, received.bytes.length)
      }
      expect(count).toBe(frame.bytes.length)
      expect(received.view.getUint16(4, true)).toBe(1448)
    })
  })

  testTap('without offload the kernel cuts it', () => {
    withTap({ name: 'tap3', offload: 0 }, (tap, kernel) => {
      const frame = tcpSuperFrame(14480, 1448)
      libc.write(kernel, frame.at, frame.bytes.length)
      let segments = 0
      for (;;) {
        const count = libc.read(tap, received.at, received.bytes.length)
        if (count < 0) break
        if (count === 10 + 54 + 1448) segments++
      }
      expect(errno()).toBe(Errno.EAGAIN)
      expect(segments).toBe(10)
    })
  })

  testTap('a single-queue name that is open is taken; a multi-queue one gains a queue', () => {
    const single = openTap({ name: 'tap4' })
    expect(() => openTap({ name: 'tap4' })).toThrow('is taken')
    const first = openTap({ name: 'tap5', multiQueue: true })
    const second = openTap({ name: 'tap5', multiQueue: true })
    expect(second.ifindex).toBe(first.ifindex)
    for (const tap of [single, first, second]) libc.close(tap.fd)
  })

  testTap('a name that is too long is refused before the kernel cuts it', () => {
    expect(() => openTap({ name: 'a-name-of-16-byte' })).toThrow('too long')
  })
})

test.if(existsSync('/dev/net/tun') && libc.geteuid() !== 0)(
  'without rights, the error says what is missing',
  () => {
    expect(() => openTap({ name: 'softnet-test' })).toThrow(/CAP_NET_ADMIN|\/dev\/net\/tun/)
  }
)
