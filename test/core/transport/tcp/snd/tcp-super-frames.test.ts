// How full super-frames are: a writer's pieces run together in the write queue, so that the device gets bulk data as large
// as it takes it, whatever the size of the writes.

import { describe, expect, test } from 'bun:test'
import { SK_EVENT_READ, SK_EVENT_WRITE } from '../../../../../core/socket/sock.ts'
import * as tcp from '../../../../../core/wire/tcp.ts'
import { FAMILIES, tcpAt } from '../../../../support/tcp-host.ts'
import { createTcpPair, startTransfer } from '../../../../support/tcp-pair.ts'

const TOTAL = 24 << 20
const MSS = { IPv4: 1448, IPv6: 1428 }
/** Behind slow start, whose windows are small. */
const SETTLED = 8 << 20

/** Sends TOTAL in writes of `chunk`; the payload lengths of what is sent once the windows are open. */
const lengths = (family: number, chunk: number): number[] => {
  const roomy = { config: { largeBuffers: 512, skbs: 8192, smallBuffers: 4096 } }
  const sizes: number[] = []
  let sent = 0
  const pair = createTcpPair({
    family,
    segment: false,
    delayUs: 500,
    a: roomy,
    b: roomy,
    filter: ({ bytes }, from) => {
      const at = tcpAt(family)
      const payload = bytes.length - at - tcp.headerLen(bytes, at)
      if (from === 'a' && payload !== 0 && (sent += payload) > SETTLED) sizes.push(payload)
      return true
    },
  })
  const { client, server } = pair.connect()
  const up = startTransfer(pair.a, client, pair.b, server, TOTAL, chunk)
  pair.a.handlers.set(client, (events) => {
    if ((events & SK_EVENT_WRITE) !== 0) up.send()
  })
  pair.b.handlers.set(server, (events) => {
    if ((events & SK_EVENT_READ) !== 0) up.receive()
  })
  up.send()
  expect(pair.run(60_000, up.done)).toBe(true)
  expect(up.state).toMatchObject({ received: TOTAL, wrong: 0, error: 0 })
  expect(pair.a.mib('TcpRetransSegs')).toBe(0)
  return sizes.slice(0, -4)
}

describe.each(FAMILIES)('%s', (name, family) => {
  const mss = MSS[name as keyof typeof MSS]
  const goal = 65440 - (65440 % mss)
  test.each([700, 10_000, 63_270, 65_536, 131_072])(
    'writes of %d bytes leave in full super-frames',
    (chunk) => {
      const sizes = lengths(family, chunk)
      const mean = sizes.reduce((a, b) => a + b) / sizes.length
      expect(mean).toBeGreaterThan(0.9 * goal)
      expect(sizes.filter((size) => size <= mss).length).toBeLessThan(sizes.length / 20)
    }
  )
})
