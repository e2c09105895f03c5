// Accurate ECN's handshake: what RFC 9768 section 3.1.5 says of a peer that asks for two kinds of ECN. The rest of it is in
// test/scripts/rfc9768-*.pkt, a connection's life under marks in test/journeys/tcp-accecn.test.ts.

import { expect, test } from 'bun:test'
import { FAMILIES, NO_LEAKS } from '../../../../support/tcp-host.ts'
import { createTcpScript } from '../../../../support/tcp-script.ts'

const MIXED = FAMILIES.flatMap(([name, family]) =>
  [
    ['SEWA', 'SEW'],
    ['SEW', 'SEWA'],
  ].map(([first, second]) => [name, first!, second!, family] as const)
)

test.each(MIXED)(
  '%s: %s, then %s: the request ends, and its peer is reset',
  (_, first, second, family) => {
    const { host, inject, pass, sent } = createTcpScript(family)
    host.setSysctl('tcp_ecn', 3)
    const children: number[] = []
    const listener = host.serve(80, (child) => children.push(child))
    inject(`${first} 0:0(0)`, { mss: 1460 })
    const [answer, ...rest] = sent()
    expect(answer).toStartWith(first === 'SEWA' ? 'SW.' : 'SE.')
    expect(rest).toEqual([])
    pass(1000)
    sent()
    inject(`${second} 0:0(0)`, { mss: 1460 })
    const [reset] = sent()
    expect(reset).toStartWith('R.')
    expect(reset).toEndWith(' ack 1')
    expect(host.mib('TcpExtEmbryonicRsts')).toBe(1)
    expect(host.mib('TcpAttemptFails')).toBe(1)
    expect(host.slab.live()).toBe(1)
    inject('. 1:1(0) ack 1')
    expect(sent()).toEqual(['R 1:1(0)'])
    expect(children).toEqual([])
    host.tcp.close(listener)
    pass(1000)
    expect(host.leaks()).toEqual(NO_LEAKS)
  }
)
test.each(FAMILIES)('%s: a SYN again without ECN is answered', (_, family) => {
  const { host, inject, pass, sent } = createTcpScript(family)
  host.setSysctl('tcp_ecn', 3)
  const listener = host.serve(80, () => {})
  for (const [first, again] of [
    ['SEW', 'SE.'],
    ['SEWA', 'SW.'],
  ]) {
    inject(`${first} 0:0(0)`, { mss: 1460, port: first === 'SEW' ? 4001 : 4002 })
    sent()
    pass(300)
    inject('S 0:0(0)', { mss: 1460, port: first === 'SEW' ? 4001 : 4002 })
    expect(sent()).toEqual([`${again} 0:0(0) ack 1 <mss>`])
  }
  host.tcp.close(listener)
  pass(1000)
  expect(host.leaks()).toEqual(NO_LEAKS)
})
