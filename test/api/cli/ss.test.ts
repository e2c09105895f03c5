import { describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { run as runLine } from '../../../api/cli/run.ts'
import type { SockItem } from '../../../core/control/text/messages.ts'
import { parseSsFilter } from '../../../api/cli/ss/filter.ts'
import { createSoftnet } from '../support/softnet.ts'
import { makeSock } from '../support/items.ts'

const run = async (line: string) => {
  const answer = await createSoftnet().cli(line)
  expect(answer).toMatchObject({ status: 0, err: '' })
  return answer.out
}

// What ss from iproute2 6.1 prints for the same sockets.
test('ss -tan', async () => {
  expect(await run('ss -tan')).toBe(
    'State  Recv-Q Send-Q Local Address:Port  Peer Address:Port Process\n' +
      'LISTEN 0      5          127.0.0.1:7777       0.0.0.0:*           \n' +
      'ESTAB  500    0          127.0.0.1:7777     127.0.0.1:49496       \n' +
      'ESTAB  0      0          127.0.0.1:49496    127.0.0.1:7777        \n'
  )
})

test('ss -tuln', async () => {
  expect(await run('ss -tuln')).toBe(
    'Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n' +
      'udp   UNCONN 0      0            0.0.0.0:53        0.0.0.0:*          \n' +
      'udp   UNCONN 0      0                  *:54              *:*          \n' +
      'tcp   LISTEN 0      5          127.0.0.1:7777      0.0.0.0:*          \n'
  )
})

test('ss -tn state established hides the state', async () => {
  expect(await run('ss -tn state established')).toBe(
    'Recv-Q Send-Q Local Address:Port  Peer Address:Port Process\n' +
      '500    0          127.0.0.1:7777     127.0.0.1:49496       \n' +
      '0      0          127.0.0.1:49496    127.0.0.1:7777        \n'
  )
})

test('ss -s', async () => {
  expect(await run('ss -s')).toBe(
    'Total: 5\nTCP:   3 (estab 2, closed 0, orphaned 0, timewait 0)\n\n' +
      'Transport Total     IP        IPv6\nRAW\t  0         0         0        \nUDP\t  2         1         1        \n' +
      'TCP\t  3         3         0        \nINET\t  5         4         1        \n\n'
  )
})

test('ss -tinmo prints the words of ss -i in their order', async () => {
  const sock = makeSock({
    ts: true,
    sack: true,
    cong: 'cubic',
    wscale: '7,7',
    rto: 204,
    rtt: 0.03,
    rttvar: 0.015,
    ato: 40,
    mss: 1448,
    cwnd: 10,
    bytes_sent: 1000,
    bytes_retrans: 0,
    segs_out: 3,
    cong_info: { bw: 5, mode: 1 },
    lastsnd: 0,
    lastrcv: 8,
    pacing_rate: 12345,
    max_pacing_rate: 20000,
    busy: 4,
    minrtt: 0.03,
    timer: { type: 'on', expires_ms: 200, retrans: 0 },
  })
  let out = ''
  await runLine(['ss', '-Htinmo'], {
    fetch: async () => Response.json({ items: [sock], next: null, revision: 1 }),
    endpoint: '',
    env: {},
    json: false,
    err: () => {},
    out: (text) => {
      out += text
    },
  })
  expect(out).toBe(
    'ESTAB 0      0      127.0.0.1:7777 127.0.0.1:49496 timer:(on,200ms,0)\n' +
      '\t skmem:(r0,rb131072,t0,tb3939840,f0,w0,o0,bl0,d0) ts sack cubic wscale:7,7 rto:204 rtt:0.03/0.015 ato:40 mss:1448 cwnd:10 bytes_sent:1000 segs_out:3 cubic:(bw:5bps,mode:1) send 3861333333bps lastsnd:0 lastrcv:8 pacing_rate 12345bps/20000bps busy:4ms minrtt:0.03\n'
  )
})

// What ss from iproute2 6.1 prints for such sockets.
test('ss -wan and ss -0an', async () => {
  const shown = async (line: string, socks: readonly SockItem[]): Promise<string> => {
    let out = ''
    await runLine(line.split(' '), {
      fetch: async () => Response.json({ items: socks, next: null, revision: 1 }),
      endpoint: '',
      env: {},
      json: false,
      err: () => {},
      out: (text) => {
        out += text
      },
    })
    return out
  }
  const raw = (addr: string, port: number, more: Partial<SockItem> = {}): SockItem => ({
    ...makeSock({ netid: 'raw', state: 'UNCONN', recv_q: 0, ...more }),
    local: { addr, port },
    peer: { addr: more.state === 'ESTAB' ? addr : addr.includes(':') ? '::' : '0.0.0.0', port: 0 },
  })
  expect(
    await shown('ss -wan', [
      raw('127.0.0.1', 255, { state: 'ESTAB' }),
      raw('0.0.0.0', 1),
      raw('::', 58, { family: 'inet6' }),
    ])
  ).toBe(
    'State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n' +
      'ESTAB  0      0          127.0.0.1:255     127.0.0.1:*          \n' +
      'UNCONN 0      0            0.0.0.0:1         0.0.0.0:*          \n' +
      'UNCONN 0      0                  *:58              *:*          \n'
  )
  const link = (netid: 'p_raw' | 'p_dgr', port: number, dev?: string): SockItem => ({
    ...makeSock({ netid, family: 'packet', state: 'UNCONN', recv_q: 0 }),
    local: { addr: '*', port },
    peer: { addr: '*', port: 0 },
    ...(dev !== undefined && { dev }),
  })
  const links = [
    link('p_dgr', 2048),
    link('p_dgr', 35020, 'lo'),
    link('p_raw', 3),
    link('p_raw', 0),
  ]
  const rows = [
    'p_dgr 0      0             [2048]:*                *           ',
    'p_dgr 0      0            [35020]:lo               *           ',
    'p_raw 0      0                  *:*                *           ',
    'p_raw 0      0                [0]:*                *           ',
  ]
  const head = 'Recv-Q Send-Q Local Address:Port Peer Address:PortProcess'
  expect(await shown('ss -0n', links)).toBe(`${[`Netid ${head}`, ...rows].join('\n')}\n`)
  const withState = rows.map((row) => row.replace(/^(\S+) /, '$1 UNCONN '))
  expect(await shown('ss -0an', links)).toBe(
    `${[`Netid State  ${head}`, ...withState].join('\n')}\n`
  )
})

test('ss -j is the items', async () => {
  const socks = JSON.parse(await run('ss -tj'))
  expect(socks.map((sock: { sk: string }) => sock.sk)).toEqual(['2', '3'])
})

test.each([
  ['sport = :7777', true],
  ['sport = 7777', true],
  ['dport eq :7777', false],
  ['dport >= :49000 and sport < :8000', true],
  ['not sport = :7777', false],
  ['( sport = :1 or dport = :49496 ) and src 127.0.0.0/8', true],
  ['dst 127.0.0.1:49496', true],
  ['dst 127.0.0.1:1', false],
  ['src 10.0.0.0/8', false],
  ['sport != :7777', false],
  ['sport = :7777 dport = :1', false],
  ['sport = :1 | dport = :49496', true],
  ['src :7777', true],
  ['dst :7777', false],
  ['dport leq :49496', true],
  ['dev eth1', true],
  ['dev != eth1', false],
  ['fwmark = 0x12', true],
  ['fwmark 0x2/0xf', true],
  ['fwmark = 2', false],
  ['fwmark != 0/0xf0', true],
  ['', true],
])('the filter "%s" is %p', (filter, isWanted) => {
  const sock = makeSock({ dev: 'eth1', mark: 0x12 })
  expect(parseSsFilter(filter.split(' ').filter((word) => word !== ''))(sock)).toBe(isWanted)
})

test.each([
  'ss -q',
  'ss sport',
  'ss sport = :x',
  'ss ( sport = :1',
  'ss state dreaming',
  'ss cats',
])('%s is a usage error', async (line) => {
  const { status, err } = await createSoftnet().cli(line)
  expect([status, err.split('\n').length]).toEqual([2, 2])
  expect(err).toMatch(/^(ss|Error): /)
})

describe('what ss refuses', () => {
  const answer = async (line: string): Promise<string> => {
    let out = ''
    const say = (text: string): void => {
      out += text
    }
    const status = await runLine(line.split(' '), {
      fetch: async () => Response.json({ items: [], next: null, revision: 1 }),
      endpoint: '',
      env: {},
      json: false,
      err: say,
      out: say,
    })
    return `${status}: ${out.trim()}`
  }
  test.each([
    ['ss -q', "2: ss: invalid option -- 'q'"],
    ['ss -tX', "2: ss: invalid option -- 'X'"],
    ['ss -tD', "2: ss: option requires an argument -- 'D'"],
    ['ss -b', '1: ss: filters of sockets are known to their applications alone.'],
    ['ss --cgroup', '1: ss: there are no cgroups here.'],
    ['ss -D /nowhere/at-all', '1: fopen dump file: No such file or directory'],
    ['ss --nothing', "2: ss: unrecognized option '--nothing'"],
    ['ss --ti', "2: ss: option '--ti' is ambiguous; possibilities: '--tipc' '--tipcinfo'"],
    ['ss --tcp=1', "2: ss: option '--tcp' doesn't allow an argument"],
    ['ss -A', "2: ss: option requires an argument -- 'A'"],
    ['ss -A tcp,foo', '2: ss: "foo" is illegal socket table id'],
    ['ss -A !tcp', '0: ss: no socket tables to show with such filter.'],
    ['ss --fam foo', '2: ss: "foo" is invalid family'],
    ['ss -tZ', '1: ss: SELinux is not enabled.'],
    ['ss -F /nowhere', '2: fopen filter file: No such file or directory'],
    ['ss -F /dev/null -F /dev/null', '2: More than one filter file'],
    ['ss -t state', '2: Command line is not complete. Try option "help"'],
    ['ss -t sport = ssh', '2: Error: "ssh" does not look like a port.'],
    ['ss -t src 1.2.3.4/33', '2: Error: an inet prefix is expected rather than "1.2.3.4/33".'],
    ['ss -t fwmark = x', '2: Cannot parse mark x.'],
  ])('%s', async (line, said) => {
    expect(await answer(line)).toBe(said)
  })
  test('a filter may lie in a file', async () => {
    const folder = mkdtempSync(`${tmpdir()}/softnet-ss-`)
    try {
      writeFileSync(`${folder}/filter`, 'sport = :7000 or\n dport = foo\n')
      expect(await answer(`ss -t -F ${folder}/filter`)).toContain('"foo" does not look like a port')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

/** What ss -E prints of a stream of events. */
const followed = async (line: string, events: readonly (readonly [string, SockItem])[]) => {
  const body = events
    .map(([event, item]) => `event: socket\ndata: ${JSON.stringify({ event, item })}\n\n`)
    .join('')
  const said: string[] = []
  const status = await runLine(line.split(' '), {
    fetch: async () => new Response(`event: ready\ndata: {}\n\n${body}`),
    endpoint: '',
    env: {},
    json: false,
    err: () => {},
    out: (text) => void said.push(text),
  })
  expect(status).toBe(1)
  return said
}
const ended = (over: Partial<SockItem>): ['del', SockItem] => ['del', makeSock(over)]

// What ss from iproute2 6.1 prints when the kernel's end.
test('ss -E prints what ends, as it ends', async () => {
  const peer = { addr: '127.0.0.1', port: 7000 }
  const events = [
    ['new', makeSock({ state: 'ESTAB', peer })],
    ['new', makeSock({ state: 'TIME-WAIT', local: { addr: '127.0.0.1', port: 57222 }, peer })],
    ended({ state: 'TIME-WAIT', peer }),
    ended({ state: 'SYN-RECV', peer }),
    ended({
      netid: 'udp',
      local: { addr: '10.0.0.254', port: 53 },
      peer: { addr: '0.0.0.0', port: 0 },
    }),
    ended({ netid: 'raw' }),
    ended({ state: 'LISTEN', local: peer, peer: { addr: '0.0.0.0', port: 0 } }),
  ] as const
  expect((await followed('ss -E', events)).join('')).toBe(
    'Netid State  Recv-Q Send-Q Local Address:Port  Peer Address:PortProcess\n' +
      'tcp   UNCONN 0      0          127.0.0.1:57222    127.0.0.1:7000       \n' +
      'udp   UNCONN 0      0         10.0.0.254:53         0.0.0.0:*          \n' +
      'tcp   UNCONN 0      0          127.0.0.1:7000       0.0.0.0:*          \n'
  )
  expect((await followed('ss -HtE sport = :7000', events)).join('')).toBe(
    'UNCONN 0      0      127.0.0.1:7000 0.0.0.0:*\n'
  )
  expect(await followed('ss -wE', events)).toEqual([])
})
test('ss --tos', async () => {
  const show = async (over: Partial<SockItem>): Promise<string> => {
    let out = ''
    await runLine(['ss', '-Htan', '--tos'], {
      fetch: async () => Response.json({ items: [makeSock(over)], next: null, revision: 1 }),
      endpoint: '',
      env: {},
      json: false,
      err: () => {},
      out: (text) => void (out += text),
    })
    return out.trim().replace(/^.*:49496 /, '')
  }
  expect(await show({ tos: 0x28, priority: 4 })).toBe('tos:0x28 class_id:0x4')
  expect(await show({ tos: 0, tclass: 0, priority: 0 })).toBe('tos:0 tclass:0 class_id:0')
})
