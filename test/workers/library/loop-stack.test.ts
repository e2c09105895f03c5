// What becomes of a host in an event loop whose stack throws: another begins, and nothing that the first one held is lost.

import { expect, test } from 'bun:test'
import {
  G_GENERATION,
  THREAD_ACK,
  THREAD_RESTARTS,
  THREAD_RUNNING,
} from '../../../core/shm/layout.ts'
import type { Done, MemoryItem } from '../../../core/control/text/messages.ts'
import { createHost } from '../../../workers/library/host.ts'
import { seeded } from '../../support/random.ts'

const host = async (onError?: (error: unknown) => void) => {
  const clock = { us: 1e9 }
  const wire = { isBad: false, sent: 0 }
  const made = createHost({
    name: 'a',
    nowUs: () => clock.us,
    random: seeded(1),
    schedule: () => {},
    transmit: () => {
      if (wire.isBad) throw new Error('the wire is bad')
      wire.sent++
      return null
    },
    ...(onError && { onError }),
  })
  await made.configure({
    link: [{ ifname: 'eth0', kind: 'wire', addresses: ['10.0.0.1/24'] }],
    neigh: [{ dst: '10.0.0.2', dev: 'eth0', lladdr: '02:00:00:00:00:02' }],
  })
  const run = (ms: number): void => {
    for (let end = clock.us + ms * 1000; clock.us < end; clock.us += 1000) {
      made.tick()
      made.poll()
    }
  }
  const send = async (): Promise<void> => {
    const socket = made.app.dgram.createSocket('udp4')
    socket.send('x', 9, '10.0.0.2')
    for (let k = 0; k < 5; k++) {
      await new Promise((resolve) => setImmediate(resolve))
      run(1)
    }
    socket.close()
  }
  return { made, wire, run, send }
}

test('an error ends the stack, and after a pause there is another', async () => {
  const errors: unknown[] = []
  const { made, wire, run, send } = await host((error) => errors.push(error))
  await send()
  const { sent } = wire
  expect(sent).toBeGreaterThan(0)
  const { i32, layout } = made.arena
  const word = (at: number): number => i32[layout.threadBlocks + at]!
  wire.isBad = true
  await send()
  expect(errors.map(String)).toEqual(['Error: the wire is bad'])
  expect([word(THREAD_RUNNING), word(THREAD_RESTARTS)]).toEqual([0, 1])
  wire.isBad = false
  run(20)
  expect(word(THREAD_RUNNING)).toBe(1)
  await send()
  expect(wire.sent).toBeGreaterThan(sent)
  expect(errors).toHaveLength(1)
  const reply = await made.control.request({
    type: 'RTM_NEWLINK',
    flags: 0,
    link: { ifname: 'eth0', mtu: 1400 },
  })
  expect(reply.error).toBe(0)
  expect(word(THREAD_ACK)).toBe(i32[G_GENERATION]!)
  const memory = await made.control.request({ type: 'MEMORY_GET' })
  if (memory.error !== 0) throw new Error('no memory is told')
  const { holders } = (memory as Done<MemoryItem>).item
  expect(holders.filter(({ bytes }) => bytes !== 0)).toEqual([])
  await made.close()
})

test('without anybody to hear it, an error is the loop’s', async () => {
  const { wire, send } = await host()
  wire.isBad = true
  await expect(send()).rejects.toThrow('the wire is bad')
})
