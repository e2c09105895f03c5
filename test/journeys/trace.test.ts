// Traces over a whole stack: what each stage says of a packet, live and dry, that the two agree with each other and with the
// counters, and that neither changes anything.

import { describe, expect, test } from 'bun:test'
import { deviceRow } from '../../core/netdev/netdev.ts'
import { G_CAPTURES, G_TRACES } from '../../core/shm/layout.ts'
import { dialTcp, openUdp, serveTcp } from '../../sim/net/sim-apps.ts'
import { Errno } from '../../core/base/errno.ts'
import { MSG_ERRQUEUE } from '../../core/socket/socket-constants.ts'
import { FAR, HOST, KINDS, lines, made, network, ROUTER } from '../support/trace-network.ts'

describe('a dry run', () => {
  test('says at each stage what was decided', async () => {
    const { dry } = await network()
    expect(lines(await dry('tcp 10.1.0.77:4000 > 10.9.3.4:80'))).toEqual([
      expect.stringMatching(
        /^receive: eth1: hash 0x[0-9a-f]{8}, rss\[\d+] = queue 0 -> cpu 0; host, 54 octets$/
      ),
      'prerouting: ip_rcv: the header is right',
      'route: rule 32766: unicast 10.9.0.0/16 via 10.2.0.77 dev eth2 table main metric 7 mtu 1400',
      'forward: ip_forward: eth1 -> eth2, one hop less',
      'postrouting: ip_output: leaves by eth2',
      `neigh: 10.2.0.77 dev eth2 lladdr ${FAR} PERMANENT`,
      'transmit: eth2: IP 10.1.0.77.4000 > 10.9.3.4.80: Flags [S], seq 1, win 65535, length 0',
      'sent by eth2',
    ])
  })
  test('has what each stage decided as words of JSON too', async () => {
    const { dry } = await network()
    const { stages } = await dry('tcp 10.1.0.77:4000 > 10.9.3.4:80')
    const of = (name: string) => stages.find(({ stage }) => stage === name)
    expect(of('receive')).toMatchObject({ dev: 'eth1', pkt_type: 'host', length: 54, segments: 1 })
    expect(of('route')).toMatchObject({
      type: 'unicast',
      dst: '10.9.0.0/16',
      gateway: '10.2.0.77',
      dev: 'eth2',
      table: 'main',
      rule: 32766,
      metric: 7,
      mtu: 1400,
    })
    expect(of('forward')).toMatchObject({ family: 'ip', iif: 'eth1', oif: 'eth2' })
    expect(of('neigh')).toMatchObject({ dst: '10.2.0.77', lladdr: FAR, state: ['PERMANENT'] })
    expect(of('transmit')).toMatchObject({ dev: 'eth2', length: 54, segments: 1 })
  })
  test('says of a drop where it is, what would let it pass, and what the sender is told', async () => {
    const { dry } = await network()
    const { stages } = await dry('udp 10.1.0.77:4000 > 10.2.0.77:9 ttl 1')
    expect(stages.at(-1)).toMatchObject({
      stage: 'drop',
      reason: 'TTL_EXCEEDED',
      place: 'ip_forward',
      would_pass: 'a TTL of at least 2',
    })
    const answer = stages.filter(({ answer }) => answer === true)
    expect(answer.map(({ stage }) => stage)).toEqual([
      'route',
      'output',
      'postrouting',
      'neigh',
      'transmit',
    ])
    expect(answer.at(-1)?.text).toContain('10.1.0.254 > 10.1.0.77: ICMP, time exceeded')
  })
  test.each([
    ['10.200.0.1', 'no route to 10.200.0.1', 'one, made with `ip route add`'],
    ['10.66.0.1', 'a blackhole route to 10.66.0.1', 'another route'],
    ['10.67.0.1', 'a prohibit route to 10.67.0.1', 'another route'],
    ['10.68.0.1', 'an unreachable route to 10.68.0.1', 'another route'],
  ])('says why no route leads to %s', async (dst, why, takes) => {
    const { dry } = await network()
    const { stages } = await dry(`udp 10.1.0.77:1 > ${dst}:9`)
    expect(stages.at(-1)).toMatchObject({ stage: 'drop', why, would_pass: takes })
  })
  test('says that a device does not forward, and which socket is missing', async () => {
    const { r, dry } = await network()
    await r.must({ type: 'SYSCTL_SET', name: 'net.ipv4.ip_forward', value: 0 })
    expect((await dry('udp 10.1.0.77:1 > 10.2.0.77:9')).stages.at(-1)).toMatchObject({
      reason: 'IP_INADDRERRORS',
      why: 'eth1 does not forward',
      would_pass: 'forwarding 1 on eth1',
    })
    expect((await dry('tcp 10.1.0.77:1 > 10.1.0.254:80')).stages.at(-1)).toMatchObject({
      reason: 'NO_SOCKET',
      would_pass: 'a socket on tcp port 80 of 10.1.0.254',
    })
  })
  test('asks for a neighbour that nobody knows, from CPU 0', async () => {
    const { dry } = await network({ workers: 2 })
    for (const port of [1, 2, 3, 4]) {
      const said = lines(await dry(`udp 10.1.0.77:${port} > 10.2.0.5:9`))
      expect(said.slice(-4)).toEqual([
        'neigh: 10.2.0.5 dev eth2: nobody knows it yet',
        'hold: waits: neigh',
        '> transmit: eth2: ARP, Request who-has 10.2.0.5 tell 10.2.0.254, length 28',
        'kept by neigh',
      ])
    }
  })
  test('ends before the socket that would take the packet, and names it', async () => {
    const { r, dry } = await network()
    const udp = openUdp(r, 99)
    const traced = await dry('udp 10.1.0.77:4000 > 10.1.0.254:99')
    expect(traced.verdict).toStartWith('delivered: udp socket UNCONN')
    expect(traced.stages.at(-1)).toMatchObject({ stage: 'input', socket: { worker: 0 } })
    expect(udp.heard).toEqual([])
  })
  test('goes to the CPU that the flow hashes to', async () => {
    const { r, dry } = await network({ workers: 4 })
    const cpus = new Set<number>()
    for (let port = 1; port <= 32; port++) {
      const { stages } = await dry(`udp 10.1.0.77:${port} > 10.2.0.77:9`)
      expect(new Set(stages.map(({ cpu }) => cpu)).size).toBe(1)
      expect(stages[0]).toMatchObject({ rss: { queue: stages[0]!.cpu } })
      cpus.add(stages[0]!.cpu)
    }
    expect([...cpus].sort()).toEqual([0, 1, 2, 3])
    expect(r.leaks()).toEqual([])
  })
  test('is the same however many there were before', async () => {
    const { dry } = await network()
    const packet = 'udp 10.1.0.77:1 > 10.2.0.5:9'
    const before = await dry(packet)
    for (let k = 0; k < 100; k++) await dry(`udp 10.1.0.77:${k} > 10.2.0.${k + 1}:9`)
    expect(lines(await dry(packet))).toEqual(lines(before))
  })
  test('sends, counts and changes nothing', async () => {
    const { r, sim, dry } = await network({ workers: 2 })
    sim.run(5000)
    const { i32, layout } = r.arena
    const before = i32.slice()
    for (const [packet] of KINDS) await dry(packet)
    await dry('udp 10.1.0.77:1 > 10.2.0.5:9')
    expect(Bun.deepEquals(i32, before)).toBe(true)
    expect(i32[layout.devices]).toBe(before[layout.devices]!)
  })
  test('of a frame in hex is of that frame, whatever it is', async () => {
    const { dry } = await network()
    const frame = made('udp 10.1.0.77:4000 > 10.2.0.77:9')
    expect((await dry(frame.toHex())).verdict).toBe('sent by eth2')
    frame[24]! ^= 1
    expect((await dry(frame.toHex())).verdict).toBe('dropped: IP_CSUM')
    expect((await dry(`${ROUTER}${HOST}88b5`.replaceAll(':', ''))).verdict).toBe(
      'dropped: UNHANDLED_PROTO'
    )
    expect((await dry(frame.subarray(0, 20).toHex())).verdict).toBe('dropped: PKT_TOO_SMALL')
  })
  test('is refused for what is no packet, in words', async () => {
    const { r } = await network()
    const refused = (packet: string, dev = 'eth1') => r.control.traceDry({ dev, packet })
    expect(await refused('tcp 10.1.0.1 > 10.1.0.2', 'eth9')).toMatchObject({
      message: 'Cannot find device "eth9"',
    })
    for (const [packet, message] of [
      ['', 'a packet is "tcp|udp|icmp SRC[:PORT] > DST[:PORT]", or a frame in hex'],
      ['sctp 1.1.1.1 > 2.2.2.2', 'a packet is'],
      ['tcp 10.1.0.1:99999 > 10.1.0.2', '"10.1.0.1:99999" is no address'],
      ['tcp 10.1.0.1 > fd00::1', 'the addresses are of two families'],
      ['tcp 10.1.0.1 > 10.1.0.2 ttl 256', '"256" is no ttl'],
      ['tcp 10.1.0.1 > 10.1.0.2 flags Q', '"Q" are no TCP flags'],
      ['tcp 10.1.0.1 > 10.1.0.2 to nobody', '"nobody" is no MAC address'],
      ['tcp 10.1.0.1 > 10.1.0.2 why', '"why" is no word of a packet'],
      ['ff'.repeat(80_000), 'the frame is too long'],
    ] as const)
      expect(await refused(packet)).toMatchObject({
        field: 'packet',
        message: expect.stringContaining(message),
      })
  })
})

describe('a live trace', () => {
  test('follows a packet while it waits for its neighbour, to its end', async () => {
    const { r, send, dry, trace } = await network()
    const packet = 'udp 10.1.0.77:1 > 10.2.0.5:9'
    const expected = lines(await dry(packet)).slice(0, -1)
    const { look, close } = await trace({ filter: 'udp' })
    send(packet)
    expect(look()).toEqual([])
    const [traced] = look(9000)
    expect(lines(traced!).slice(0, expected.length)).toEqual(expected)
    expect(traced!.verdict).toBe('dropped: NEIGH_FAILED')
    expect(traced!.stages.at(-1)!.at_us).toBeGreaterThan(1_000_000)
    close()
    expect(r.drops('NEIGH_FAILED')).toBe(1)
  })
  test('tells of the socket that a datagram waits in', async () => {
    const { r, send, trace } = await network()
    const udp = openUdp(r, 99)
    const { look, close } = await trace()
    send('udp 10.1.0.77:4000 > 10.1.0.254:99 len 5')
    expect(udp.heard).toHaveLength(1)
    const [traced] = look()
    close()
    expect(lines(traced!).slice(-3)).toEqual([
      expect.stringMatching(/^input: for this host: udp socket UNCONN 0.0.0.0:99, cookie \d+, /),
      'hold: waits: udp_rcv',
      'kept by udp_rcv',
    ])
  })
  test('marks nothing for those who want to hear when their packets go', async () => {
    const { r, sim, trace } = await network()
    const served = serveTcp(r, 99)
    const { look, close } = await trace({ filter: 'tcp' })
    const client = dialTcp(r, '10.1.0.254', 99)
    sim.run(100)
    client.start(100_000)
    sim.run(100)
    expect(look().some(({ stages }) => stages.some(({ answer }) => answer === true))).toBe(true)
    close()
    const { sockets } = r.stack
    for (const { sk } of [client, ...served.ends])
      expect(sockets.recvmsg(sk, r.page, 10, MSG_ERRQUEUE)).toBe(-Errno.EAGAIN)
  })
  test('follows what is made here from its first hook on', async () => {
    const { r, sim, trace } = await network()
    const udp = openUdp(r, 99)
    const { look, close } = await trace({ filter: 'udp port 77' })
    udp.send(new Uint8Array(3), '10.2.0.77', 76)
    udp.send(new Uint8Array(3), '10.2.0.77', 77)
    sim.run(5)
    const all = look()
    close()
    expect(all).toHaveLength(1)
    expect(lines(all[0]!)).toEqual([
      'route: rule 32766: unicast 10.2.0.0/24 dev eth2 table main mtu 1400',
      'output: ip_local_out: made here, leaves by eth2',
      'postrouting: ip_output: leaves by eth2',
      `neigh: 10.2.0.77 dev eth2 lladdr ${FAR} PERMANENT`,
      'transmit: eth2: IP 10.2.0.254.99 > 10.2.0.77.77: UDP, length 3',
      'sent by eth2',
    ])
  })
  test('is of so many packets, of one device, of what its filter takes', async () => {
    const { send, trace } = await network()
    const { look, isOver, close } = await trace({ dev: 'eth1', filter: 'icmp', packets: 2 })
    for (let k = 0; k < 4; k++) {
      expect(isOver()).toBe(false)
      send('udp 10.1.0.77:1 > 10.2.0.77:9')
      send('icmp 10.1.0.77 > 10.2.0.77')
    }
    expect(look().map(({ frame }) => frame.includes('ICMP'))).toEqual([true, true])
    look()
    expect(isOver()).toBe(true)
    close()
  })
  test('loses stages that find no room, and counts them; no packet is lost', async () => {
    const { r, send, trace } = await network({ captureRing: 1 << 11 })
    const before = r.mib('IpForwDatagrams')
    const { look, lost, isOver, close } = await trace({ packets: 40 })
    for (let k = 0; k < 40; k++) send('udp 10.1.0.77:1 > 10.2.0.77:9')
    const stages = look().reduce((sum, packet) => sum + packet.stages.length, 0)
    expect(stages).toBeGreaterThan(10)
    expect(stages + lost()).toBe(40 * 7)
    expect(r.mib('IpForwDatagrams') - before).toBe(40)
    // packets that nothing is known of have come to their ends too
    look()
    expect(isOver()).toBe(true)
    close()
  })
  test('ends with its reader: nothing is marked or noted any more, and nothing is left', async () => {
    const { r, sim, send, trace } = await network()
    const gauge = r.gauge()
    const { look, close } = await trace()
    send('udp 10.1.0.77:1 > 10.2.0.77:9')
    expect(look()).toHaveLength(1)
    close()
    const { i32 } = r.arena
    expect([i32[G_CAPTURES], i32[G_TRACES]]).toEqual([0, 0])
    send('udp 10.1.0.77:1 > 10.2.0.77:9')
    sim.run(100)
    expect(look()).toEqual([])
    expect(r.gauge()).toEqual(gauge)
    expect(i32[deviceRow(r.arena, 0)]).toBe(0)
  })
})
