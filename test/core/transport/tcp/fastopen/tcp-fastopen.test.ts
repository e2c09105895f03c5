import { expect, test } from 'bun:test'
import { IPPROTO_TCP } from '../../../../../core/wire/ipproto.ts'
import { TCP_FASTOPEN } from '../../../../../core/socket/socket-constants.ts'
import { FAMILIES, NO_LEAKS } from '../../../../support/tcp-host.ts'
import { createTcpScript } from '../../../../support/tcp-script.ts'

/** A listener that needs no cookie and lets `most` connections wait for the end of their handshakes. */
const listening = (family: number, most: number) => {
  const script = createTcpScript(family)
  const { host, inject, sent } = script
  host.setSysctl('tcp_fastopen', 0x202)
  const children: number[] = []
  const listener = host.serve(80, (child) => children.push(child))
  host.tcp.setOption(listener, IPPROTO_TCP, TCP_FASTOPEN, most)
  /** What a SYN with text is answered: how much of it was taken. */
  const open = (port: number): string => {
    inject('S 0:100(100)', { mss: 1000, port })
    return sent().join()
  }
  return { ...script, listener, children, open }
}
const TAKEN = 'S. 0:0(0) ack 101 <mss>'
const NOT_TAKEN = 'S. 0:0(0) ack 1 <mss>'

test.each(FAMILIES)(
  '%s: only so many may wait for their handshakes; those done make room',
  (_, family) => {
    const { host, inject, pass, listener, children, open } = listening(family, 2)
    expect([open(5001), open(5002)]).toEqual([TAKEN, TAKEN])
    inject('. 101:101(0) ack 1', { port: 5002 })
    expect([open(5003), open(5004)]).toEqual([TAKEN, NOT_TAKEN])
    expect(host.mib('TcpExtTCPFastOpenListenOverflow')).toBe(1)
    expect(host.mib('TcpExtTCPFastOpenPassive')).toBe(3)
    for (const child of children) host.tcp.close(child)
    host.tcp.close(listener)
    pass(600_000)
    expect(host.leaks()).toEqual(NO_LEAKS)
  }
)

test.each(FAMILIES)('%s: one that is reset keeps its place for a minute', (_, family) => {
  const { host, inject, pass, listener, children, open } = listening(family, 1)
  expect(open(5001)).toBe(TAKEN)
  inject('R 101:101(0)', { port: 5001 })
  expect(open(5002)).toBe(NOT_TAKEN)
  inject('R 1:1(0)', { port: 5002 })
  pass(59_000)
  expect(open(5003)).toBe(NOT_TAKEN)
  inject('R 1:1(0)', { port: 5003 })
  pass(2_000)
  expect(open(5004)).toBe(TAKEN)
  for (const child of children) host.tcp.close(child)
  host.tcp.close(listener)
  pass(600_000)
  expect(host.leaks()).toEqual(NO_LEAKS)
})

test.each(FAMILIES)(
  '%s: whose SYN-ACK is never answered ends, a try later than a request would',
  (_, family) => {
    const { host, pass, sent, listener, children, open } = listening(family, 1)
    host.setSysctl('tcp_synack_retries', 2)
    expect(open(5001)).toBe(TAKEN)
    pass(30_000)
    expect(sent()).toEqual([TAKEN, TAKEN, TAKEN])
    expect(host.mib('TcpExtTCPAbortOnTimeout')).toBe(1)
    const [child] = children
    expect(host.tcp.recvBytes(child!, new Uint8Array(200), 0, 200)).toBe(100)
    expect(host.tcp.recvBytes(child!, new Uint8Array(200), 0, 200)).toBe(-110)
    host.tcp.close(child!)
    host.tcp.close(listener)
    pass(100)
    expect(host.leaks()).toEqual(NO_LEAKS)
  }
)
