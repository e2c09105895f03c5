// The queues of half datagrams by themselves (inet/inet-fragment.ts): how far a host may be ahead of one of its datagrams.

import { expect, test } from 'bun:test'
import { Mib } from '../../../core/shm/counters.ts'
import { Sysctl } from '../../../core/shm/sysctl.ts'
import { createInetFrag, FRAG_KEY_WORDS } from '../../../core/inet/inet-fragment.ts'
import { Drop } from '../../../core/skb/drop.ts'
import { createPathHost } from '../../../sim/net/path-host.ts'

const MOST = 64
const NO_DEVICE = 9

/** A queue with one fragment, which was the `rid`th of its host. */
const halfDatagram = (rid: number) => {
  const path = createPathHost()
  const { arena, first } = path
  const sysctl = (name: number): number => arena.layout.sysctl + name
  const frags = createInetFrag({
    ...first,
    arena,
    random: () => 1,
    timer: path.deviceRow(NO_DEVICE),
  })
  const family = frags.addFamily({
    timeout: sysctl(Sysctl.ipfrag_time),
    highThresh: sysctl(Sysctl.ipfrag_high_thresh),
    fails: Mib.IpReasmFails,
    timeouts: Mib.IpReasmTimeout,
    timeExceeded: () => {},
  })
  const queue = frags.find(family, new Int32Array(FRAG_KEY_WORDS))
  frags.reached(queue, rid, MOST)
  const skb = first.frameSkb(new Uint8Array(100), 0)
  expect(frags.insert(queue, skb, 0, 0, 100, true, 0)).toBe(false)
  return { ...path, frags, queue }
}

test.each([
  ['at the beginning', 1],
  ['while the sign of its count turns', 2 ** 31 - 10],
  ['before the sign of its count turns', 2 ** 31 - 70],
  ['where its count begins anew', -10],
])('a host may send so many others in between, %s', (_where, rid) => {
  const { frags, queue, drops, counter, isAllReturned } = halfDatagram(rid)
  frags.reached(queue, (rid + MOST) | 0, MOST)
  expect(frags.fragmentsHeld()).toBe(1)
  frags.reached(queue, (rid + MOST + MOST + 1) | 0, MOST)
  expect(frags.fragmentsHeld()).toBe(0)
  expect(drops(Drop.FRAG_TOO_FAR)).toBe(1)
  expect(counter(Mib.IpReasmFails)).toBe(1)
  frags.end(queue, Drop.FRAG_REASM_TIMEOUT)
  expect(isAllReturned()).toBe(true)
})
