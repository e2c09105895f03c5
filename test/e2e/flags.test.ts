// Every flag that the help of ip, ss, ethtool and the others lists, run against the demo while traffic flows: each line
// ends with status 0 and says nothing that only a program could mean. What the help names and no line here uses fails.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../../api/cli/run.ts'
import { requireTool } from '../support/tools.ts'
import type { Daemon } from './support/daemon.ts'
import { startDaemon } from './support/daemon.ts'

const TIMEOUT_MS = 60_000
/** Words of a program that has lost a value. */
const LOST = /\b(?:undefined|null|NaN|Infinity)\b|\[object /

const SS = [
  '-t',
  '-u',
  '-w',
  '-0',
  '-4',
  '-6',
  '-a',
  '-l',
  '-n',
  '-H',
  '-O',
  '-s',
  '-j',
  '-i',
  '-m',
  '-e',
  '-o',
  '-p',
]

const FOLDER = mkdtempSync(join(tmpdir(), 'softnet-flags-'))
/** Commands of a file. */
const BATCH = join(FOLDER, 'batch')
writeFileSync(BATCH, 'link show lan0\naddress show dev lan0\n')

const LINES: Record<string, string[]> = {
  ss: [
    'ss',
    ...SS.map((flag) => `ss ${flag}`),
    ...SS.map((flag) => `ss -a ${flag}`),
    'ss -tuwanlimeoOH',
    'ss -tinmoe state all',
    'ss -uinmoe state all',
    'ss -ta sport = :80',
    'ss -ta dport != :80 or sport >= :1 and not src 127.0.0.0/8',
    'ss -tan ( src 10.0.0.1 or dst 10.0.0.1:80 ) and sport < :9999 and dport > :0 and dport <= :65535',
    'ss -K dport = :1 or sport = :19',
    'ss -xMSdT --tipc --vsock --xdp',
    'ss -a -f inet6',
    'ss -a -A tcp,raw,!udp',
    'ss -ta -F /dev/null',
    'ss -tane --tos',
    'ss -a -D /dev/null',
    // there is nothing that it could tell of
    'ss -E -x',
    'ss -V',
  ],
  ip: [
    ...[
      '-s',
      '-d',
      '-o',
      '-br',
      '-4',
      '-6',
      '-j',
      '-j -p',
      '-s -d',
      '-f inet',
      '-f inet6',
      '',
    ].flatMap((flag) =>
      ['address', 'link', 'neighbour', 'route', 'rule', 'netns'].map(
        (object) => `ip ${flag} ${object}`
      )
    ),
    'ip link show lan0',
    'ip link show up',
    'ip link show type port',
    'ip link add name v0 type veth peer name v1',
    'ip link set dev v0 up mtu 1400 txqueuelen 500 promisc on allmulticast on arp off',
    'ip link set v0 promisc off allmulticast off arp on address 02:00:00:00:00:77',
    'ip link set v1 up',
    'ip link set v1 down',
    'ip link set v1 name v2 up',
    'ip address add 192.0.2.1/24 dev v0 broadcast 192.0.2.255 scope global label v0:1',
    'ip address replace 192.0.2.1/24 dev v0',
    'ip address change 192.0.2.1/24 dev v0',
    'ip address show dev v0 up scope global to 192.0.2.0/24',
    'ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev v0 nud permanent',
    'ip neigh replace 192.0.2.9 lladdr 02:00:00:00:00:0a dev v0 nud stale router',
    'ip neigh change 192.0.2.9 lladdr 02:00:00:00:00:0b dev v0 nud reachable',
    'ip neigh get 192.0.2.9 dev v0',
    'ip neigh show to 192.0.2.9 dev v0 nud reachable',
    'ip neigh delete 192.0.2.9 dev v0',
    'ip neigh flush dev v0',
    'ip route add 198.51.100.0/24 via 192.0.2.7 dev v0 proto static metric 5 mtu 1300 advmss 1200 hoplimit 33',
    'ip route append 198.51.100.0/24 via inet 192.0.2.8 metric 5',
    'ip route replace 198.51.100.0/24 via 192.0.2.7 metric 5 src 192.0.2.1',
    'ip route change 198.51.100.0/24 via 192.0.2.6 metric 5 onlink dev v0',
    'ip route add blackhole 203.0.113.0/24 table main',
    'ip route add 203.0.113.128/25 dev v0 scope link table 254',
    'ip route show table main dev v0 via 192.0.2.6 proto boot',
    'ip route show root 198.51.0.0/16 type unicast',
    'ip route show match 198.51.100.1',
    'ip route show exact 198.51.100.0/24 scope global',
    'ip route show table all',
    'ip route get 198.51.100.1',
    'ip route get 10.1.0.10 from 10.0.0.2 iif user0',
    'ip route get 10.1.0.10 oif lan0 tos 0 mark 0',
    'ip route delete 198.51.100.0/24 metric 5',
    'ip route flush dev v0',
    'ip address delete 192.0.2.1/24 dev v0',
    'ip address flush dev v0 scope global',
    'ip link delete dev v0',
    'ip -V',
    `ip -force -batch ${BATCH}`,
  ],
  ethtool: [
    ...['-x', '-l', '-k', '-g', '-S', '-i'].flatMap((flag) => [
      `ethtool ${flag} lan0`,
      `-j ethtool ${flag} lan0`,
    ]),
    ...['tcp4', 'udp4', 'tcp6', 'udp6'].map((type) => `ethtool -n lan0 rx-flow-hash ${type}`),
    'ethtool -N lan0 rx-flow-hash udp4 sdfn',
    'ethtool -X lan0 equal 2',
    'ethtool -X lan0 weight 1 1',
    'ethtool -X lan0 default',
    'ethtool -X lan0 equal 1 hkey KEY',
    'ethtool -L lan0 combined 2',
    'ethtool -K lan0 tso off tx on',
    'ethtool -G lan0 rx 256 tx 256',
    'ethtool --version',
  ],
  tc: [
    'tc qdisc add dev lan0 root netem delay 1ms 1ms loss random 1% duplicate 1% corrupt 1% reorder 1% limit 500',
    ...['', '-s', '-d', '-j', '-j -p'].map((flag) => `tc ${flag} qdisc show dev lan0`),
    'tc qdisc change dev lan0 root netem delay 2ms',
    'tc qdisc replace dev lan0 root netem loss 1%',
    'tc qdisc delete dev lan0 root',
    'tc -V',
  ],
  others: [
    'nstat',
    ...['-a', '-z', '-s', '-n', '-r', '-p -j', '-j', '-V'].map((flag) => `nstat ${flag}`),
    'nstat -az Ip*',
    'sysctl -a',
    'sysctl -n net.ipv4.ip_forward',
    'sysctl -w net.ipv4.ip_forward=1',
    'sysctl -q net.ipv4.ip_forward=1',
    'sysctl -j net.ipv4.ip_forward',
    'top -b -n 1 -d 0.2',
    'softnet-stat',
    'softnet-stat --raw',
    'softnet-stat -j',
    'dropwatch',
    'dropwatch -j',
    'memory',
    'memory -j',
    'flows',
    'flows -j',
  ],
}

/** What has no rings, or asks what is not there, is refused as by the kernel. */
const REFUSED: Record<string, RegExp> = {
  'ethtool -g lan0': /Operation not supported/,
  '-j ethtool -g lan0': /Operation not supported/,
  'ethtool -G lan0 rx 256 tx 256': /Operation not supported/,
  'ss -E -x': /^$/,
}

const HELPS = [
  'ip help',
  'tc qdisc help',
  ...['link', 'address', 'route', 'neigh', 'monitor', 'rule', 'netns'].map(
    (object) => `ip ${object} help`
  ),
  ...[
    'ss',
    'ethtool',
    'nstat',
    'sysctl',
    'softnet-stat',
    'top',
    'dropwatch',
    'memory',
    'flows',
    'exec',
    'up',
    'demo',
  ].map((command) => `${command} --help`),
]

describe('every flag of the command line, against live traffic', () => {
  let daemon: Daemon
  let download: ReturnType<Daemon['cli']>

  const cli = async (line: string) => {
    let [out, err] = ['', '']
    const words = line.split(' ').filter((word) => word !== '')
    const isJson = words[0] === '-j'
    const status = await run(isJson ? words.slice(1) : words, {
      fetch: (path, init) => fetch(`http://softnet${path}`, { ...init, unix: daemon.unix }),
      endpoint: `unix:${daemon.unix}`,
      env: { NSTAT_HISTORY: join(FOLDER, 'nstat') },
      out: (text) => {
        out += text
      },
      err: (text) => {
        err += text
      },
      json: isJson,
    })
    return { status, out, err }
  }

  beforeAll(async () => {
    requireTool('curl')
    daemon = await startDaemon({ command: 'demo' })
    // two connections that live on the router itself while the lines run: one that waits, one that sends
    const url = 'http://10.0.0.1/bytes/400000000'
    download = daemon.cli(
      'exec',
      '--',
      'curl',
      '-sS',
      '-m',
      '8',
      '--limit-rate',
      '9M',
      '-o',
      '/dev/null',
      url
    )
    for (let look = 0; look < 200; look++) {
      if ((await cli('ss -Ht state established')).out !== '') return
      await Bun.sleep(20)
    }
    throw new Error('no connection to the router')
  }, TIMEOUT_MS)
  afterAll(async () => {
    await daemon?.stop()
    await download
    rmSync(FOLDER, { recursive: true })
  }, TIMEOUT_MS)

  for (const [group, lines] of Object.entries(LINES)) {
    test(
      group,
      async () => {
        for (const line of lines) {
          const key = Array(40).fill('5a').join(':')
          const { status, out, err } = await cli(line.replace('KEY', key))
          const refused = REFUSED[line]
          if (refused !== undefined)
            expect([line, err]).toEqual([line, expect.stringMatching(refused)])
          else expect([line, status, err]).toEqual([line, 0, ''])
          // ethtool says null of a group of features, which is asked for by its members
          const said = out.replaceAll('"fixed":null,"requested":null', '')
          expect([line, LOST.exec(said)?.[0] ?? '']).toEqual([line, ''])
        }
      },
      TIMEOUT_MS
    )
  }

  test('the details of a live connection are all there', async () => {
    const { out } = await cli('ss -tinmoe state established')
    for (const word of ['skmem:(r', 'rto:', 'rtt:', 'cwnd:', 'worker:', 'bytes_sent:', 'cubic'])
      expect(out).toContain(word)
    const [text, text6] = await Promise.all(
      ['tcp', 'tcp6'].map(async (file) => await daemon.must<string>('GET', `/v1/proc/net/${file}`))
    )
    for (const file of [text!, text6!]) expect(LOST.exec(file)).toBeNull()
  })

  test('every help is text with status 0, and every flag in it has a line here', async () => {
    const all = Object.values(LINES).flat().join(' ')
    const used = new Set(
      all.split(' ').flatMap((word) =>
        /^-[a-zA-Z0-9]+$/.test(word)
          ? [
              word,
              ...word
                .slice(1)
                .split('')
                .map((letter) => `-${letter}`),
            ]
          : [word]
      )
    )
    for (const help of HELPS) {
      const { status, out, err } = await cli(help)
      expect([help, status, err, out.startsWith('Usage: softnet ')]).toEqual([help, 0, '', true])
      if (/^(?:exec|up|demo)/.test(help)) continue
      for (const [flag] of out.matchAll(/(?<![\w-])-{1,2}[a-zA-Z0-9][\w-]*/g))
        expect([help, flag, used.has(flag)]).toEqual([help, flag, true])
    }
  })
})
