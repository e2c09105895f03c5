import { expect, test } from 'bun:test'
import { createSoftnet } from '../support/softnet.ts'

/** Each of the 128 entries in its row of eight. */
const RSS_TABLE = Array.from(
  { length: 16 },
  (_, row) => `${String(row * 8).padStart(5)}:      0     1     0     1     0     1     0     1\n`
).join('')
const RSS_KEY = Array.from({ length: 40 }, (_, k) => k.toString(16).padStart(2, '0')).join(':')

const GOLDEN: [line: string, out: string][] = [
  [
    'ethtool -x veth0',
    `RX flow hash indirection table for veth0 with 2 RX ring(s):
${RSS_TABLE}RSS hash key:
${RSS_KEY}
RSS hash function:
    toeplitz: on
    xor: off
    crc32: off
`,
  ],
  [
    'ethtool -k veth0',
    'Features for veth0:\nrx-checksumming: on\ntx-checksumming: on\ntcp-segmentation-offload: on\n' +
      '\ttx-tcp-segmentation: on\n\ttx-tcp6-segmentation: on\ngeneric-receive-offload: off [fixed]\n' +
      'tx-udp-segmentation: on\nrx-udp-gro-forwarding: off [fixed]\n',
  ],
  [
    'ethtool -l veth0',
    `Channel parameters for veth0:
Pre-set maximums:
RX:		n/a
TX:		n/a
Other:		n/a
Combined:	2
Current hardware settings:
RX:		n/a
TX:		n/a
Other:		n/a
Combined:	2
`,
  ],
  [
    'ethtool -i veth0',
    `driver: veth
version: \nfirmware-version: \nexpansion-rom-version: \nbus-info: \nsupports-statistics: yes
supports-test: no
supports-eeprom-access: no
supports-register-dump: no
supports-priv-flags: no
`,
  ],
  [
    'ethtool -n veth0 rx-flow-hash udp6',
    `UDP over IPV6 flows use these fields for computing Hash flow key:
IP SA
IP DA
L4 bytes 0 & 1 [TCP/UDP src port]
L4 bytes 2 & 3 [TCP/UDP dst port]

`,
  ],
  [
    'nstat -as Tcp*',
    '#kernel\nTcpActiveOpens                  1                  0.0\nTcpExtTCPTimeouts               3                  0.0\n',
  ],
  [
    'nstat -asz IpExtInO* IpExtInNoR*',
    '#kernel\nIpExtInNoRoutes                 0                  0.0\nIpExtInOctets                   1276               0.0\n',
  ],
  ['nstat -asj IpExt*', '{"kernel":{"IpExtInOctets":1276}}\n'],
  [
    'sysctl net.ipv4.ip_forward net/ipv4/ip_default_ttl',
    'net.ipv4.ip_forward = 1\nnet.ipv4.ip_default_ttl = 64\n',
  ],
  ['ethtool -n veth0', '2 RX rings available\nTotal 0 rules\n\n'],
  ['sysctl -n net.ipv4.tcp_rmem', '4096\t131072\t6291456\n'],
  ['sysctl -w net.ipv4.ip_forward=0', 'net.ipv4.ip_forward = 0\n'],
  [
    'dropwatch',
    'drops  reason     place   dev    CPU0  CPU1\n' +
      '    2  NO_SOCKET  socket  veth0     1     1\n' +
      '    1  NO_SOCKET  socket  veth1     0     1\n' +
      '    1  NO_SOCKET  socket  -         0     1\n' +
      '    1  TCP_CSUM   tcp     -         1     0\n',
  ],
  [
    'flows',
    'worker  hash      protocol  src       dst       sport  dport  dev    packets  last\n' +
      '     1  1a2b3c4d  tcp       10.0.0.1  10.0.0.2      1     80  veth0       12    0s\n' +
      '     0  5e6f7a8b  tcp       10.0.0.1  10.0.0.2      1     80  veth0        3  1.5s\n',
  ],
]

test.each(GOLDEN)('softnet %s', async (line, out) => {
  expect(await createSoftnet().cli(line)).toEqual({ status: 0, out, err: '' })
})

test('ethtool -S lists every counter of the device', async () => {
  const { out } = await createSoftnet().cli('ethtool -S veth0')
  expect(out).toStartWith('NIC statistics:\n     rx_packets: 1\n')
  expect(out).toContain('\n     tx_bytes: 110\n')
})

test('softnet-stat for people, for programs and as the file', async () => {
  const { cli } = createSoftnet()
  expect((await cli('softnet-stat')).out).toMatch(
    /^CPU +processed +dropped +time_squeeze +received_rps +flow_limit +backlog +vectors\/call +busy +sockets +restarts +state\n +0 +47522 +0 +1 +255 +0 +0 +2\.5 +[\d.]+% +\d+ +0 +/
  )
  expect(JSON.parse((await cli('-j softnet-stat')).out)[1].cpu).toBe(1)
  expect((await cli('softnet-stat --raw')).out).toStartWith('0000b9a2 00000000 00000001 ')
})

test.each([
  [
    `ethtool -X veth0 equal 2 hkey ${RSS_KEY}`,
    { type: 'ETHTOOL_MSG_RSS_SET', rss: { ifname: 'veth0', equal: 2, hkey: RSS_KEY } },
  ],
  ['ethtool -X veth0 weight 1 2', { rss: { weight: [1, 2] } }],
  [
    'ethtool -K veth0 tso off rx on',
    {
      type: 'ETHTOOL_MSG_FEATURES_SET',
      features: { 'tcp-segmentation-offload': false, 'rx-checksumming': true },
    },
  ],
])('%s', async (line, message) => {
  const { cli, asked } = createSoftnet()
  expect(await cli(line)).toEqual({ status: 0, out: '', err: '' })
  expect(asked[0]).toMatchObject(message)
})

test.each([
  ['ethtool -x nosuch', 1, 'Cannot get RX ring count: No such device'],
  ['ethtool -X veth0 equal 99', 1, 'Cannot set RX flow hash configuration: Invalid argument'],
  ['ethtool -Q veth0', 2, 'ethtool: bad command line argument(s): -Q'],
  ['ethtool -K veth0 tso maybe', 2, 'Error: argument of "tso" must be "on" or "off", not "maybe"'],
  ['sysctl net.bogus', 1, 'sysctl: cannot stat /proc/sys/net/bogus: No such file or directory'],
  [
    'sysctl -w net.ipv4.ip_forward=x',
    1,
    'sysctl: setting key "net.ipv4.ip_forward": Invalid argument',
  ],
  [
    'sysctl -w net.ipv4.ip_forward',
    2,
    'sysctl: "net.ipv4.ip_forward" must be of the form name=value',
  ],
  ['nstat -Q', 2, "nstat: invalid option -- 'Q'"],
])('softnet %s exits %d', async (line, status, err) => {
  const answer = await createSoftnet().cli(line)
  expect([answer.status, answer.out]).toEqual([status, ''])
  expect(answer.err).toStartWith(err)
  expect(answer.err.split('\n')).toHaveLength(2)
})

test('memory shows who holds what against his bound, and the pools', async () => {
  const { cli } = createSoftnet()
  const lines = (await cli('memory')).out.split('\n')
  expect(lines[0]).toBe('holder      bytes    bound  used     2K   68K  of')
  expect(lines.some((line) => /^tcp_ofo +0 +\d+ +0\.0% +0\/\d+ +0\/\d+ +tcp_rcv$/.test(line))).toBe(
    true
  )
  expect(lines.some((line) => /^backlog {2}\d+ packets, at most \d+/.test(line))).toBe(true)
  expect(lines.some((line) => /^ +0 +worker +\d+\/2048 +\d+\/2048 +\d+\/64/.test(line))).toBe(true)
  const { holders } = JSON.parse((await cli('memory -j')).out)
  expect(holders.find(({ holder }: { holder: string }) => holder === 'reasm')).toMatchObject({
    bytes: 0,
    small: 0,
  })
})
