import { expect, test } from 'bun:test'
import { Errno } from '../../../core/base/errno.ts'
import { createArena } from '../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../core/shm/layout.ts'
import { deviceRow } from '../../../core/netdev/netdev.ts'
import { pcap } from '../../../workers/devices/pcap.ts'
import { kindEnv } from '../../support/control-plane.ts'

test('a replay file that is not there is ENOENT, and names it', async () => {
  const arena = createArena(SMALL_ARENA)
  const { newlink } = pcap.linkOps({
    ...kindEnv(arena),
    queues: null,
    namespaces: new Map(),
    openNamespace: () => Promise.reject(new Error('none')),
    files: import.meta.dir,
    log: () => {},
  })
  const spec = { ifname: 'p0', flags: 0, change: 0, kind: 'pcap', data: { replay: 'nowhere.pcap' } }
  expect(await newlink({ ifindex: 2, row: deviceRow(arena, 2), spec })).toMatchObject({
    error: Errno.ENOENT,
    message: expect.stringContaining('nowhere.pcap'),
    field: 'data.replay',
  })
})
