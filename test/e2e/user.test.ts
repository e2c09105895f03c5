// A daemon that root starts and that goes on as another user: what each of its threads may do then, and what it can still do.

import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { failDaemon, startDaemon } from './support/daemon.ts'
import { describeE2e } from './support/inside.ts'

/** CAP_NET_ADMIN and CAP_NET_RAW. */
const KEPT = '0000000000003000'
const NET_ADMIN = '0000000000001000'
const NONE = '0000000000000000'

/** A namespace of an ordinary user's knows root alone. */
const knowsOthers = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/)[2] !== '1'
/** What the system says of each thread: its users, and what it may. */
const threadsOf = (pid: number) =>
  readdirSync(`/proc/${pid}/task`).map((thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')
    const word = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)![1]!
    return {
      isMain: Number(thread) === pid,
      uids: new Set(word('Uid').split(/\s+/)),
      groups: word('Groups').trim(),
      effective: word('CapEff'),
      permitted: word('CapPrm'),
    }
  })

describeE2e(import.meta.path, 'as another user', () => {
  test('nobody has more than it takes to open devices, and those it opens', async () => {
    const args = ['--user', 'nobody', '--tap', 'before0=10.9.0.1/24']
    if (!knowsOthers) {
      const { status, said } = await failDaemon({ args })
      expect([status, said]).toEqual([1, expect.stringContaining('softnet: --user: ')])
      return
    }
    const daemon = await startDaemon({ args, workers: 2 })
    try {
      const threads = threadsOf(daemon.pid)
      expect(threads.length).toBeGreaterThan(4)
      for (const { isMain, uids, effective, permitted } of threads) {
        expect([...uids]).toEqual(['65534'])
        expect([effective, permitted]).toEqual(isMain ? [KEPT, KEPT] : [NONE, NONE])
      }
      // of a TAP the file that opens it has an owner too; a packet socket is a matter of capabilities alone
      const link = { ifname: 'after0', kind: 'packet', data: { ifname: 'before0' }, up: true }
      await daemon.must('POST', '/v1/links', link)
    } finally {
      const { status, said } = await daemon.stop()
      expect([status, said.replace(/^softnet: API at .*\n/m, '')]).toEqual([0, ''])
    }
  })

  test('what it was not given itself, as in a container, it does not keep', async () => {
    if (!knowsOthers) return
    const args = ['--user', 'nobody', '--tap', 'before0=10.9.0.1/24']
    const daemon = await startDaemon({ args, under: ['setpriv', '--bounding-set', '-net_raw'] })
    const main = threadsOf(daemon.pid).find(({ isMain }) => isMain)
    const { status } = await daemon.stop()
    expect(main).toMatchObject({ effective: NET_ADMIN, permitted: NET_ADMIN })
    expect(status).toBe(0)
  })

  test('a user that there is not is refused', async () => {
    const { status, said } = await failDaemon({ args: ['--user', 'nobody-of-that-name'] })
    expect([status, said]).toEqual([
      1,
      expect.stringContaining('softnet: --user: there is no user nobody-of-that-name\n'),
    ])
  })
})
