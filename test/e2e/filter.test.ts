// Filter expressions select what tcpdump selects (libpcap's compiler, which is tshark's for captures too): each expression is
// given to both over fifty captures: of packets of both families, whole and spoilt, and of what hosts say to each other.

import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBpf } from '../../core/bpf/bpf.ts'
import { bpfCheck } from '../../core/bpf/bpf-check.ts'
import { compileFilter } from '../../core/control/text/filter/filter.ts'
import { PACKET_HOST } from '../../core/skb/skb.ts'
import {
  PCAP_HEADER_LEN,
  PCAP_RECORD_LEN,
  putPcapHeader,
  putPcapRecord,
} from '../../core/wire/pcap.ts'
import { dialTcp, openUdp, serveTcp } from '../../sim/net/sim-apps.ts'
import { arpFrame } from '../../sim/net/packets.ts'
import { createPathHost } from '../../sim/net/path-host.ts'
import { seeded } from '../support/random.ts'
import { twoHosts } from '../support/sim-topology.ts'
import { requireTool } from '../support/tools.ts'
import { createDraw, createPackets } from '../twin/ipv4/packets.ts'
import { createPackets6 } from '../twin/ipv6/packets.ts'

const SNAPLEN = 262144
const FILTERS = [
  '',
  'ip',
  'ip6',
  'arp',
  'not ip',
  'tcp',
  'udp',
  'icmp',
  'icmp6',
  'sctp or ah or esp or proto gre',
  'ip proto 47',
  'ip6 proto 17',
  'proto 6',
  'ip proto \\tcp',
  'ether proto 0x0800',
  'ether proto \\ip6',
  'host 10.1.0.1',
  'src host 10.1.0.2',
  'dst 10.2.0.1',
  'src 10.1.0.9 or dst 10.1.0.1',
  'ip host 10.1.0.1',
  'arp host 10.1.0.9',
  'host 10.1.0.1 or 10.2.0.1 or 10.3.0.1',
  'host (10.1.0.1 or 10.2.0.1)',
  'net 10.1.0.0/16',
  'net 10.1',
  'net 10',
  'dst net 10.2.0.0 mask 255.255.0.0',
  'src net 10.0.0.0/8 and dst net 224.0.0.0/4',
  'src and dst net 10.0.0.0/8',
  'net 0.0.0.0/0',
  'host 2001:db8:1::1',
  'src net 2001:db8::/32',
  'dst net fe80::/10',
  'ip6 host 2001:db8:2::1 and not icmp6',
  'port 7',
  'port 9',
  'tcp port 9',
  'udp dst port 9',
  'src port 1024',
  'tcp src port 2000 or tcp dst port 7',
  'port (7 or 9)',
  'dst port 7 or 9',
  'portrange 1000-20000',
  'tcp dst portrange 1-1023',
  'udp src portrange 30000-40000 and ip6',
  'port domain or http',
  'ether host 02:00:00:00:01:01',
  'ether dst 02:00:00:00:01:01',
  'ether src 02:00:00:01:01:09',
  'ether broadcast',
  'broadcast',
  'ether multicast',
  'multicast',
  'ip multicast',
  'ip6 multicast',
  'less 60',
  'greater 600',
  'len > 100 and len <= 1000',
  'tcp[13] & 2 != 0',
  'tcp[tcpflags] & (tcp-syn|tcp-fin) != 0',
  'tcp[tcpflags] == tcp-ack',
  'icmp[icmptype] = icmp-echo',
  'icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply',
  'icmp6[icmp6type] == icmp6-echo',
  'ip[0] & 0xf != 5',
  'ip[6:2] & 0x1fff != 0',
  'ip[6] & 0x20 != 0',
  'ip[2:2] - ((ip[0] & 0xf) << 2) > 100',
  'ip[8] < 5',
  'ip[16:4] = 0x0a010001',
  'ip6[6] = 44',
  'ip6[7] > 64',
  'udp[4:2] > 100',
  'tcp[((tcp[12] & 0xf0) >> 2):4] > 0x7fffffff',
  'ether[0] & 1 = 1',
  'ether[12:2] = 0x86dd',
  'arp[6:2] = 1',
  '-ip[8] + 255 > 200',
  'ip[8] * 2 % 7 = 1',
  'ip[8] % 7 * 2 = 4',
  'ip[8] + ip[9] % 5 = 65',
  '-ip[8] % 7 + 5 > 3',
  'ip[2:2] - tcp[2:2] > 100',
  '8 - ip[8] ^ 3 + 1 > 20',
  'ip[8] ^ 0xff > 250 | 3',
  'len / 2 >= 64 && len / 2 <= 256',
  'not (tcp or udp) and not host 10.1.0.1',
  'tcp and not port 9 and (dst net 10.1.0.0/16 or ip6)',
  '! tcp && ! udp || port 9',
  'vlan',
  'vlan 7',
  'vlan 7 and ip',
  'vlan and tcp port 9',
]

/** Drawn frames of every kind, some tagged. */
const drawnCapture = (seed: number): Uint8Array[] => {
  const frames: Uint8Array[] = []
  const random = seeded(seed)
  const draw = createDraw(random)
  const [four, six] = [createPackets(draw), createPackets6(draw)]
  for (let k = 0; k < 25; k++) frames.push(...four.some(1 + (k % 3)), ...six.some(1 + (k % 3)))
  const link = { src: '02:00:00:01:01:09', dst: 'ff:ff:ff:ff:ff:ff' }
  for (const op of [1, 2])
    frames.push(arpFrame(link, { op, sha: link.src, sip: '10.1.0.9', tip: '10.1.0.1' }))
  for (const frame of frames.slice(0, 12)) {
    const tag = Uint8Array.of(0x81, 0, 0, draw.oneIn(2) ? 7 : 8)
    frames.push(Uint8Array.from([...frame.subarray(0, 12), ...tag, ...frame.subarray(12)]))
  }
  return frames.filter((frame) => frame.length >= 14)
}

/** What two hosts say to each other over a wire that loses some of it: ARP, a transfer, datagrams. */
const spokenCapture = async (seed: number): Promise<Uint8Array[]> => {
  const frames: Uint8Array[] = []
  const { sim, a, b, wire } = await twoHosts({ seed })
  wire.filter = (frame) => {
    if (frames.length < MOST_SPOKEN) frames.push(frame.slice())
    return true
  }
  Object.assign(wire, { loss: 0.05, duplicate: 0.02, delayUs: 1000 })
  const server = serveTcp(b, 9)
  const client = dialTcp(a, '10.0.1.2', 9)
  openUdp(b, 7)
  const udp = openUdp(a)
  sim.run(2000, () => client.connected)
  client.start(10_000 + seed * 1000)
  client.finish()
  for (let k = 0; k < 20; k++) udp.send(new Uint8Array(k * 100), '10.0.1.2', k % 2 === 0 ? 7 : 9)
  sim.run(5000)
  server.close()
  return frames
}

const DRAWN = 40
const SPOKEN = 10
const MOST_SPOKEN = 150
const makeCaptures = async (): Promise<Uint8Array[][]> => {
  const drawn = Array.from({ length: DRAWN }, (_, k) => drawnCapture(k + 1))
  const spoken = await Promise.all(Array.from({ length: SPOKEN }, (_, k) => spokenCapture(k + 1)))
  return [...drawn, ...spoken]
}

/** A frame's number is its time. */
const fileOf = (frames: readonly Uint8Array[]): Uint8Array => {
  const octets = frames.reduce((sum, frame) => sum + PCAP_RECORD_LEN + frame.length, 0)
  const out = new Uint8Array(PCAP_HEADER_LEN + octets)
  let at = putPcapHeader(out, 0, SNAPLEN)
  for (const [k, frame] of frames.entries())
    at = putPcapRecord(out, at, k, 0, frame, 0, frame.length, frame.length)
  return out
}
const numbersIn = (file: Uint8Array): number[] => {
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  const numbers: number[] = []
  for (let at = PCAP_HEADER_LEN; at < file.length; ) {
    numbers.push(view.getUint32(at, true))
    at += PCAP_RECORD_LEN + view.getUint32(at + 8, true)
  }
  return numbers
}

test('select the frames that tcpdump selects', async () => {
  const captures = await makeCaptures()
  // one file of them all: what a filter says of a frame does not hang on those before it
  const frames = captures.flat()
  expect(captures).toHaveLength(50)
  expect(frames.length).toBeGreaterThan(3000)
  const path = createPathHost()
  const { arena } = path
  const { skbs } = path.first
  const { runFilter } = createBpf({ arena, skbs })
  const program = arena.layout.captures
  const room = arena.layout.largeBytes
  const ours = (filter: string): number[] => {
    const words = compileFilter(filter)
    if (typeof words === 'string') throw new Error(`${filter}: ${words}`)
    expect(bpfCheck(words)).toBe(true)
    arena.i32.set(words, program)
    const taken: number[] = []
    for (const [k, frame] of frames.entries()) {
      arena.u8.set(frame, room)
      const [end, len] = [room + frame.length, frame.length]
      if (runFilter(program, 0, room, end, len, PACKET_HOST) !== 0) taken.push(k)
    }
    return taken
  }
  const folder = mkdtempSync(join(tmpdir(), 'softnet-filter-'))
  try {
    const file = join(folder, 'frames.pcap')
    await Bun.write(file, fileOf(frames))
    // root would become a user of its own, who may not read the file
    const me = process.getuid?.() === 0 ? ['-Z', 'root'] : []
    const theirs = (filter: string): number[] => {
      const args = ['-r', file, ...me, '-w', '-', ...(filter === '' ? [] : ['--', filter])]
      const ran = Bun.spawnSync([requireTool('tcpdump'), ...args])
      if (ran.exitCode !== 0) throw new Error(`${filter}: ${ran.stderr}`)
      return numbersIn(ran.stdout)
    }
    const different: unknown[] = []
    for (const filter of FILTERS) {
      const [mine, his] = [ours(filter), theirs(filter)]
      if (!Bun.deepEquals(mine, his))
        different.push({
          filter,
          more: mine.filter((k) => !his.includes(k)).length,
          less: his.filter((k) => !mine.includes(k)).length,
        })
    }
    expect(different).toEqual([])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
