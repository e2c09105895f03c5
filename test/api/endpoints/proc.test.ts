import { expect, test } from 'bun:test'
import { DEV_STAT_ROWS, DevStat, deviceStats } from '../../../core/netdev/netdev.ts'
import * as proc from '../../../api/iproute2/proc-net.ts'
import type { SockItem } from '../../../core/control/text/messages.ts'
import { makeSock } from '../support/items.ts'
import { createSoftnet } from '../support/softnet.ts'

const read = async (file: string): Promise<string> =>
  (await createSoftnet().request(`/v1/proc/net/${file}`)).text()

// Golden text: what Linux 6.x prints for the same state, trailing blanks included.

test('softnet_stat has fifteen columns of eight digits a worker', async () => {
  expect(await read('softnet_stat')).toBe(
    '0000b9a2 00000000 00000001 00000000 00000000 00000000 00000000 00000000 00000000 000000ff 00000000 00000000 00000000 00000000 00000000\n' +
      '0000b9a2 00000000 00000001 00000000 00000000 00000000 00000000 00000000 00000000 000000ff 00000000 00000000 00000001 00000000 00000000\n'
  )
})

/** The values of a file that has a line of names and a line of values a group. */
const groups = (text: string): Record<string, string> => {
  const lines = text.trimEnd().split('\n')
  const values: Record<string, string> = {}
  for (let k = 0; k < lines.length; k += 2) {
    const [group, ...names] = lines[k]!.split(' ')
    const [same, ...numbers] = lines[k + 1]!.split(' ')
    expect([same, numbers.length]).toEqual([group, names.length])
    for (const [n, name] of names.entries()) values[`${group} ${name}`] = numbers[n]!
  }
  return values
}

test('snmp has a line of names and a line of values a protocol', async () => {
  const text = await read('snmp')
  expect(text).toStartWith('Ip: Forwarding DefaultTTL InReceives InHdrErrors ')
  expect(text).toEndWith(
    'Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors\nUdp: 9 0 0 0 0 0 0 0 0\n' +
      'UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors\nUdpLite: 0 0 0 0 0 0 0 0 0\n'
  )
  expect(groups(text)).toMatchObject({
    'Ip: Forwarding': '1',
    'Ip: DefaultTTL': '64',
    'Ip: InReceives': '5',
    'Icmp: InMsgs': '0',
    'Tcp: RtoAlgorithm': '1',
    'Tcp: RtoMin': '200',
    'Tcp: RtoMax': '120000',
    'Tcp: MaxConn': '-1',
    'Tcp: ActiveOpens': '1',
    'Tcp: CurrEstab': '2',
  })
})

test('netstat has its groups alone, and snmp6 a line for each counter', async () => {
  const netstat = groups(await read('netstat'))
  expect(new Set(Object.keys(netstat).map((name) => name.split(' ')[0]))).toEqual(
    new Set(['TcpExt:', 'IpExt:'])
  )
  expect(netstat).toMatchObject({ 'TcpExt: TCPTimeouts': '3', 'IpExt: InOctets': '1276' })
  expect(await read('snmp6')).toMatch(/^Ip6InReceives +\t0$/m)
})

test('dev', async () => {
  const lines = (await read('dev')).split('\n')
  expect(lines[0]).toBe(
    'Inter-|   Receive                                                |  Transmit'
  )
  expect(lines[1]).toBe(
    ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed'
  )
  expect(lines[4]).toBe(
    ' veth0:      90       1    0    0    0     0          0         0      110       1    0    0    0     0       0          0'
  )
})

test('dev adds the statistics that share a column, and has 0 where nothing is counted', async () => {
  const { arena, request, ready } = createSoftnet()
  await ready
  const stats = deviceStats(arena, 0, 3)
  for (const [k, { name }] of DEV_STAT_ROWS.entries()) arena.f64[stats + DevStat[name]] = 2 ** k
  const lines = (await (await request('/v1/proc/net/dev')).text()).split('\n')
  expect(lines[4]).toBe(
    ' veth0:       4       1   16 4160    0  3584          0       256        8       2   32  128    0     0    8192          0'
  )
})

test('route prints words in network order, padded to 127', async () => {
  const lines = (await read('route')).split('\n')
  expect(lines.slice(0, -1).every((line) => line.length === 127)).toBe(true)
  expect(lines[1]!.trimEnd()).toBe('veth0\t00000000\t0100010A\t0003\t0\t0\t0\t00000000\t0\t0\t0')
  expect(lines[2]!.trimEnd()).toBe('veth0\t0000010A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0')
  expect(lines[3]!.trimEnd()).toBe('veth0\t0000050A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0')
  expect(lines[4]!.trimEnd()).toBe('*\t0000070A\t00000000\t0201\t0\t0\t0\t0000FFFF\t0\t0\t0')
})

test('arp', async () => {
  expect(await read('arp')).toBe(
    'IP address       HW type     Flags       HW address            Mask     Device\n' +
      '10.1.0.5         0x1         0x6         02:00:00:00:00:05     *        veth0\n' +
      '10.1.0.6         0x1         0x2         02:00:00:00:00:06     *        veth0\n'
  )
})

test('tcp and udp', async () => {
  const tcp = (await read('tcp')).split('\n')
  expect(tcp.slice(0, -1).map((line) => line.length)).toEqual([149, 149, 149, 149])
  expect(tcp[2]!.trimEnd()).toBe(
    '   1: 0100007F:1E61 0100007F:C158 01 00000000:000001F4 00:00000000 00000000     0        0 0 1 0000000000000000 0 0 0 10 -1'
  )
  const udp = (await read('udp')).split('\n')
  expect(udp[1]!.trimEnd()).toBe(
    '   53: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000 0'
  )
  expect(udp[0]!.length).toBe(127)
})

test('snmp6 has the kernel’s lines in the kernel’s order', async () => {
  const text = await read('snmp6')
  const lines = text.trimEnd().split('\n')
  expect(lines[0]).toBe(`Ip6InReceives${' '.repeat(19)}\t0`)
  const names = lines.map((line) => line.split(/\s+/)[0]!)
  expect(names[33]).toBe('Icmp6InMsgs')
  expect(names).toHaveLength(33 + 6 + 30 + 9 + 8)
  expect(new Set(names).size).toBe(names.length)
})

test('tcp6, udp6, if_inet6 and ipv6_route', async () => {
  const softnet = createSoftnet()
  await softnet.ready
  const file = async (name: string): Promise<string> =>
    (await softnet.request(`/v1/proc/net/${name}`)).text()
  expect(await file('udp6')).toMatch(/^ {2}sl {2}local_address {25}remote_address/)
  await softnet.request('/v1/addresses', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ dev: 'veth0', local: '2001:db8::5', prefixlen: 64 }),
  })
  expect(await file('if_inet6')).toContain(
    '20010db8000000000000000000000005 03 40 00 80    veth0\n'
  )
  expect(await file('ipv6_route')).toContain(
    '20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001    veth0\n'
  )
  expect(await file('ipv6_route')).toContain(
    '20010db8000000000000000000000005 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000001 00000000 80200001    veth0\n'
  )
})

// What the kernel prints for such sockets, but for inodes and places in memory.
test('raw, raw6, icmp, icmp6 and packet', () => {
  const sock = (more: Partial<SockItem>): SockItem =>
    makeSock({ state: 'UNCONN', recv_q: 0, peer: { addr: '0.0.0.0', port: 0 }, ...more })
  const lines = (text: string): string[] => text.split('\n')
  const raw = lines(proc.raw([sock({ netid: 'raw', local: { addr: '0.0.0.0', port: 1 } })]))
  expect(raw[0]).toBe(
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops'
  )
  expect(raw[1]).toBe(
    '   1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000 0'
  )
  const local = { addr: '127.0.0.1', port: 77 }
  const icmp = lines(proc.icmp([sock({ netid: 'icmp', local })]))
  expect(icmp[0]).toBe(raw[0]!.padEnd(127))
  expect(icmp[1]).toBe(
    '   77: 0100007F:004D 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000 0'.padEnd(
      127
    )
  )
  const any = { addr: '::', port: 0 }
  const six = sock({ netid: 'raw', family: 'inet6', local: { ...any, port: 58 }, peer: any })
  expect(lines(proc.raw6([six]))[1]).toBe(
    '   58: 00000000000000000000000000000000:003A 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000 0'
  )
  const link = (netid: 'p_raw' | 'p_dgr', port: number): SockItem =>
    sock({ netid, family: 'packet', sk: 'ace28dd2', local: { addr: '*', port } })
  expect(lines(proc.packet([link('p_raw', 3), link('p_dgr', 0)], []))).toEqual([
    'sk               RefCnt Type Proto  Iface R Rmem   User   Inode',
    '00000000ace28dd2 3      3    0003   0     1 0      0      0     ',
    '00000000ace28dd2 2      2    0000   0     0 0      0      0     ',
    '',
  ])
})
