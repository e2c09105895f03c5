// The host's side of a device goes down, comes back, and vanishes, as the end of every container makes it: the link says
// so, watchers hear it, no thread spins on what is left, and the link can be made again.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { LinkItem, RouteItem } from '../../core/control/text/messages.ts'
import type { Daemon } from './support/daemon.ts'
import { putPcapHeader } from '../../core/wire/pcap.ts'
import { createCaptureReader } from '../../core/wire/pcap-reader.ts'
import { atRest, MOST_AT_REST, startDaemon } from './support/daemon.ts'
import { describeE2e } from './support/inside.ts'
import { createNamespace, type Namespace } from '../../workers/os/netns.ts'
import { block, cstring, libc, O_RDONLY, openPath } from '../../workers/os/libc.ts'
import { openPacket } from '../../workers/os/packet.ts'
import { VNET_HDR_LEN } from '../../workers/os/tap.ts'
import { withRtnetlink } from '../../workers/os/rtnetlink.ts'

const WITHIN_MS = 5000
/** A thread that spins takes all of this. */

/** Waits until `look` gives what is wanted. */
const until = async <T>(look: () => Promise<T>, isIt: (value: T) => boolean): Promise<T> => {
  const deadline = performance.now() + WITHIN_MS
  for (;;) {
    const value = await look()
    if (isIt(value) || performance.now() > deadline) return value
    await Bun.sleep(20)
  }
}

/** Nothing turns round and round over a device that is gone. */
const expectRest = async ({ pid }: Daemon): Promise<void> => {
  const { wakes, cpuMs } = await atRest(pid)
  expect(wakes).toBeLessThan(MOST_AT_REST.wakes)
  expect(cpuMs).toBeLessThan(MOST_AT_REST.cpuMs)
}

/** Names of the links that a watcher hears of, in order, with their operational states. */
const watch = async ({ unix }: Daemon) => {
  const heard: string[] = []
  const stop = new AbortController()
  const { body } = await fetch('http://softnet/v1/watch?kinds=link', { unix, signal: stop.signal })
  const reading = (async () => {
    let text = ''
    for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
      text += chunk
      const lines = text.split('\n')
      text = lines.pop()!
      for (const line of lines) {
        if (!line.startsWith('data:')) continue
        const { item } = JSON.parse(line.slice(5)) as { item?: LinkItem }
        if (item !== undefined) heard.push(`${item.ifname} ${item.operstate}`)
      }
    }
  })().catch(() => {})
  const close = async (): Promise<void> => {
    stop.abort()
    await reading
  }
  return { heard, close }
}

const moveTo = ({ pid }: Namespace, name: string): void => {
  const netnsFd = openPath(`/proc/${pid}/ns/net`, O_RDONLY)
  try {
    withRtnetlink((rtnl) => rtnl.setLink(name, { netnsFd }))
  } finally {
    libc.close(netnsFd)
  }
}

const VNET = VNET_HDR_LEN
const PEER_MAC = [2, 0, 0, 0, 0, 0x77]

/** Who has 10.8.0.254, asked by 10.8.0.HOST in a frame with a tag. */
const arpRequest = (host: number, tag: readonly number[]) => {
  const bytes = [
    ...[255, 255, 255, 255, 255, 255, ...PEER_MAC, ...tag, 8, 6],
    ...[0, 1, 8, 0, 6, 4, 0, 1, ...PEER_MAC, 10, 8, 0, host, 0, 0, 0, 0, 0, 0, 10, 8, 0, 254],
  ]
  const frame = block(VNET + bytes.length)
  frame.bytes.set(bytes, VNET)
  return frame
}
/** The host that a frame waiting in the socket answers, untagged; 0 when none waits. */
const answerTo = (fd: number): number => {
  const { at, bytes, view } = block(2048)
  while (libc.read(fd, at, bytes.length) > 0)
    if (view.getUint16(VNET + 12) === 0x0806 && view.getUint16(VNET + 20) === 2)
      return bytes[VNET + 41]!
  return 0
}

describeE2e(import.meta.path, 'devices of the host', () => {
  describe.each(['rps', 'multiqueue'] as const)('steered by %s', (steering) => {
    let daemon: Daemon
    beforeAll(async () => {
      daemon = await startDaemon({ steering })
    })
    afterAll(() => daemon?.stop())

    const link = (name: string): Promise<LinkItem> => daemon.must('GET', `/v1/links/${name}`)
    const stateOf = async (name: string): Promise<string> => {
      const { operstate, flags } = await link(name)
      return `${operstate} ${flags.filter((flag) => /CARRIER|LOWER_UP/.test(flag)).join()}`
    }
    const reaches = (name: string, wanted: string): Promise<string> =>
      until(
        () => stateOf(name),
        (state) => state === wanted
      )
    const add = (kind: string, name: string): Promise<unknown> =>
      daemon.must('PUT', `/v1/links/${name}`, { kind, up: true })
    const routeFlags = async (name: string): Promise<string[][]> =>
      (await daemon.list<RouteItem>(`/v1/tables/main/routes?dev=${name}&family=inet`)).map(
        ({ flags }) => flags
      )

    test('a TAP that the host sets down has no carrier until it is set up again', async () => {
      await add('tap', 'tp0')
      await daemon.must('PUT', '/v1/links/tp0/addresses/10.9.0.254/24', {})
      expect(await reaches('tp0', 'UP LOWER_UP')).toBe('UP LOWER_UP')
      expect(await routeFlags('tp0')).toEqual([[]])
      const { heard, close } = await watch(daemon)
      withRtnetlink((rtnl) => rtnl.setLink('tp0', { up: false }))
      expect(await reaches('tp0', 'DOWN NO-CARRIER')).toBe('DOWN NO-CARRIER')
      expect(await routeFlags('tp0')).toEqual([['linkdown']])
      withRtnetlink((rtnl) => rtnl.setLink('tp0', { up: true }))
      expect(await reaches('tp0', 'UP LOWER_UP')).toBe('UP LOWER_UP')
      expect(await routeFlags('tp0')).toEqual([[]])
      expect(
        await until(
          async () => heard,
          ({ length }) => length >= 2
        )
      ).toEqual(['tp0 DOWN', 'tp0 UP'])
      await close()
      await daemon.must('DELETE', '/v1/links/tp0')
    })

    test('a TAP whose namespace ends is gone, costs nothing, and can be made again', async () => {
      await add('tap', 'tp1')
      const namespace = await createNamespace({ name: 'guest', device: 'none' })
      moveTo(namespace, 'tp1')
      await namespace.ask({ op: 'link', name: 'tp1', change: { up: true } })
      expect(await reaches('tp1', 'UP LOWER_UP')).toBe('UP LOWER_UP')
      const { heard, close } = await watch(daemon)
      await namespace.close()
      expect(await reaches('tp1', 'NOTPRESENT NO-CARRIER')).toBe('NOTPRESENT NO-CARRIER')
      await expectRest(daemon)
      expect(heard).toEqual(['tp1 NOTPRESENT'])
      await close()
      await daemon.must('DELETE', '/v1/links/tp1')
      await add('tap', 'tp1')
      expect(await reaches('tp1', 'UP LOWER_UP')).toBe('UP LOWER_UP')
      await daemon.must('DELETE', '/v1/links/tp1')
    })

    test('a packet socket follows its interface: carrier, down, up, deleted', async () => {
      const peerUp = (up: boolean) => withRtnetlink((rtnl) => rtnl.setLink('vb0', { up }))
      const pair = () =>
        withRtnetlink((rtnl) => {
          rtnl.addVeth({ name: 'va0' }, { name: 'vb0' })
          for (const name of ['va0', 'vb0']) rtnl.setLink(name, { up: true })
        })
      pair()
      await add('packet', 'va0')
      expect(await reaches('va0', 'UP LOWER_UP')).toBe('UP LOWER_UP')
      peerUp(false)
      expect(await reaches('va0', 'DOWN NO-CARRIER')).toBe('DOWN NO-CARRIER')
      peerUp(true)
      expect(await reaches('va0', 'UP LOWER_UP')).toBe('UP LOWER_UP')
      withRtnetlink((rtnl) => rtnl.setLink('va0', { up: false }))
      expect(await reaches('va0', 'DOWN NO-CARRIER')).toBe('DOWN NO-CARRIER')
      await expectRest(daemon)
      withRtnetlink((rtnl) => rtnl.setLink('va0', { up: true }))
      expect(await reaches('va0', 'UP LOWER_UP')).toBe('UP LOWER_UP')
      withRtnetlink((rtnl) => rtnl.deleteLink('va0'))
      expect(await reaches('va0', 'NOTPRESENT NO-CARRIER')).toBe('NOTPRESENT NO-CARRIER')
      await expectRest(daemon)
      await daemon.must('DELETE', '/v1/links/va0')
      pair()
      await add('packet', 'va0')
      expect(await reaches('va0', 'UP LOWER_UP')).toBe('UP LOWER_UP')
      await daemon.must('DELETE', '/v1/links/va0')
      withRtnetlink((rtnl) => rtnl.deleteLink('va0'))
    })

    test('a packet socket answers the frames of its own VLAN: untagged, or tagged with a priority alone', async () => {
      withRtnetlink((rtnl) => {
        rtnl.addVeth({ name: 'vc0' }, { name: 'vd0' })
        for (const name of ['vc0', 'vd0']) rtnl.setLink(name, { up: true })
      })
      await add('packet', 'vc0')
      await daemon.must('PUT', '/v1/links/vc0/addresses/10.8.0.254/24', {})
      const peer = openPacket({ ifname: 'vd0' })
      const ask = (host: number, tag: readonly number[]): void => {
        const frame = arpRequest(host, tag)
        expect(libc.write(peer.fd, frame.at, frame.bytes.length)).toBe(frame.bytes.length)
      }
      ask(5, [0x81, 0x00, 0x00, 0x05])
      ask(6, [0x88, 0xa8, 0x00, 0x05])
      ask(7, [0x81, 0x00, 0xe0, 0x00])
      ask(8, [])
      const answered: number[] = []
      await until(
        async () => {
          for (let host = answerTo(peer.fd); host !== 0; host = answerTo(peer.fd))
            answered.push(host)
          return answered.length
        },
        (n) => n >= 2
      )
      expect(answered.sort()).toEqual([7, 8])
      expect(await daemon.dropped('OTHERHOST')).toBeGreaterThanOrEqual(2)
      libc.close(peer.fd)
      await daemon.must('DELETE', '/v1/links/vc0')
      withRtnetlink((rtnl) => rtnl.deleteLink('vc0'))
    })

    test('no worker was harmed', async () => {
      for (const worker of await daemon.list<object>('/v1/workers'))
        expect(worker).toMatchObject({ restarts: 0, running: true })
    })
  })

  describe('files', () => {
    let daemon: Daemon
    beforeAll(async () => {
      daemon = await startDaemon({ config: 'files = "."\n' })
    })
    afterAll(() => daemon?.stop())
    const put = (data: object) =>
      daemon.call('PUT', '/v1/links/play0', { kind: 'pcap', up: true, data })

    test('a FIFO to replay or to record is refused at once, and the API goes on', async () => {
      const path = `${daemon.folder}/fifo`
      expect(libc.mkfifo(cstring(path).at, 0o600)).toBe(0)
      for (const data of [{ replay: path }, { record: path }]) {
        const { status, body } = await put(data)
        expect(status).toBeGreaterThanOrEqual(400)
        expect(JSON.stringify(body)).toContain('it is a FIFO, not a regular file')
      }
      expect((await daemon.call('GET', '/healthz')).status).toBe(200)
      expect((await daemon.call('GET', '/v1/links/play0')).status).toBe(404)
    })

    test('a replay that has ended has no carrier, says why, and can be made again', async () => {
      const path = `${daemon.folder}/in.pcap`
      const header = new Uint8Array(24)
      putPcapHeader(header, 0, 65535)
      for (const [content, why] of [
        [header, 'ended'],
        [Uint8Array.of(...header, 1, 2, 3), 'malformed'],
      ] as const) {
        writeFileSync(path, content)
        expect((await put({ replay: path })).status).toBeLessThan(300)
        const item = await until(
          () => daemon.must<LinkItem>('GET', '/v1/links/play0'),
          ({ operstate }) => operstate === 'DOWN'
        )
        expect(item).toMatchObject({
          operstate: 'DOWN',
          linkinfo: { info_xstats: { replay: why } },
        })
        expect(item.flags).toContain('NO-CARRIER')
        await daemon.must('DELETE', '/v1/links/play0')
      }
      expect(daemon.said()).toContain('play0: the capture is cut short or malformed')
    })

    test('a recording that fills its disk has no carrier, and ends with a whole frame', async () => {
      const folder = `${daemon.folder}/small`
      mkdirSync(folder)
      const mount = ['mount', '-t', 'tmpfs', '-o', 'size=64k', 'none', folder]
      expect(Bun.spawnSync(mount).exitCode).toBe(0)
      try {
        const file = `${folder}/out.pcap`
        await daemon.must('PUT', '/v1/sysctl/net.ipv4.ip_forward', { value: 1 })
        await daemon.must('PUT', '/v1/links/tr0', { kind: 'tap', up: true })
        await daemon.must('PUT', '/v1/links/tr0/addresses/10.7.0.254/24', {})
        withRtnetlink((rtnl) => {
          rtnl.addAddress('tr0', '10.7.0.1/24')
          rtnl.addRoute({ to: '10.6.0.0/24', via: '10.7.0.254' })
        })
        await daemon.must('PUT', '/v1/links/rec0', {
          kind: 'pcap',
          up: true,
          data: { record: file },
        })
        await daemon.must('PUT', '/v1/links/rec0/addresses/10.6.0.254/24', {})
        await daemon.must('PUT', '/v1/links/rec0/neighs/10.6.0.1', { lladdr: '02:00:00:00:00:05' })
        const sender = await Bun.udpSocket({})
        const item = await until(
          async () => {
            for (let k = 0; k < 10; k++) sender.send(new Uint8Array(1000), 9, '10.6.0.1')
            return daemon.must<LinkItem>('GET', '/v1/links/rec0')
          },
          ({ operstate }) => operstate === 'DOWN'
        )
        sender.close()
        expect(item).toMatchObject({
          operstate: 'DOWN',
          linkinfo: { info_xstats: { record: 'No space left on device' } },
        })
        expect(item.stats64.tx.carrier_errors).toBeGreaterThan(0)
        const reader = createCaptureReader(new Uint8Array(readFileSync(file)))!
        let frames = 0
        while (reader.next()) frames++
        expect(frames).toBeGreaterThan(40)
        expect(reader.problem()).toBeNull()
        expect((await daemon.call('GET', '/healthz')).status).toBe(200)
        await daemon.must('DELETE', '/v1/links/rec0')
      } finally {
        Bun.spawnSync(['umount', '-l', folder])
      }
    })
  })
})
