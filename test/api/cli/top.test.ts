import { expect, test } from 'bun:test'
import { picture, rateText, type Sample } from '../../../api/cli/top.ts'
import type { DropItem, FlowItem, WorkerItem } from '../../../core/control/text/messages.ts'
import { createSoftnet } from '../support/softnet.ts'

const worker = (cpu: number, more: Partial<WorkerItem> = {}): WorkerItem =>
  ({
    cpu,
    processed: 0,
    calls: 0,
    vectors: 0,
    time_squeeze: 0,
    dropped: 0,
    backlog_len: 0,
    busy_ratio: 0,
    running: true,
    sleeping: false,
    ...more,
  }) as WorkerItem
const flow = (sport: number, packets: number): FlowItem => ({
  worker: 1,
  protocol: 'udp',
  src: '10.0.0.1',
  sport,
  dst: 'fd00::1',
  dport: 9,
  packets,
})
const sampleOf = (at: number, more: Partial<Sample> = {}): Sample => ({
  at,
  workers: [worker(0)],
  drops: [],
  flows: [],
  ...more,
})
const SIZE = { columns: 80, rows: 24 }

const dropped = (reason: string, count: number): DropItem => {
  return { reason, place: 'local', count, worker: [count, 0], devices: [] }
}

test('a picture has what a second made: load, packets of a call, drops and flows by their rate', () => {
  const before = sampleOf(1000, {
    workers: [worker(0, { processed: 100, calls: 10, vectors: 20 }), worker(1)],
    drops: [dropped('NO_SOCKET', 7), dropped('QUIET', 50)],
    flows: [flow(1, 100), flow(2, 10)],
  })
  const now = sampleOf(3000, {
    workers: [
      worker(0, { processed: 30_100, calls: 1010, vectors: 16_020, busy_ratio: 0.25, dropped: 4 }),
      worker(1, { running: false }),
    ],
    drops: [dropped('NO_SOCKET', 27), dropped('QUIET', 50), dropped('NEVER', 0)],
    flows: [flow(1, 100), flow(2, 5010), flow(3, 40)],
  })
  expect(picture(before, now, SIZE)).toEqual([
    'softnet top: 2 workers, 15.0k packets/s, 10 drops/s',
    '',
    'CPU   load  pkt/s  pkt/call  squeeze/s  drop/s  backlog  state',
    '  0  25.0%  15.0k      16.0          0       2        0  running',
    '  1   0.0%      0       0.0          0       0        0  stopped',
    '',
    'drop/s  all  reason',
    '    10   27  NO_SOCKET',
    '     0   50  QUIET',
    '',
    'pkt/s  packets  CPU  flow',
    ' 2.5k     5010    1  udp 10.0.0.1:2 > [fd00::1]:9',
    '   20       40    1  udp 10.0.0.1:3 > [fd00::1]:9',
    '    0      100    1  udp 10.0.0.1:1 > [fd00::1]:9',
  ])
})

test('it fits the terminal: no line is longer, and there are no more of them', () => {
  const now = sampleOf(1000, { flows: Array.from({ length: 100 }, (_, k) => flow(k, 1e9)) })
  for (const size of [SIZE, { columns: 40, rows: 10 }, { columns: 20, rows: 2 }]) {
    const lines = picture(sampleOf(0), now, size)
    expect(lines.length).toBeLessThanOrEqual(size.rows)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(size.columns)
  }
  expect(picture(sampleOf(0), now, SIZE)).toHaveLength(SIZE.rows - 2)
})

test('counters that fell are those of a worker that began anew', () => {
  const before = sampleOf(0, { workers: [worker(0, { processed: 1e6 })] })
  const now = sampleOf(1000, { workers: [worker(0, { processed: 50 })] })
  expect(picture(before, now, SIZE)[3]).toContain('     50  ')
})

test.each([
  [0, '0'],
  [999.4, '999'],
  [1000, '1.0k'],
  [99_900, '99.9k'],
  [100_000, '100k'],
  [1.5e6, '1.5M'],
  [2e12, '2000G'],
])('a rate of %p is written %p', (rate, text) => {
  expect(rateText(rate)).toBe(text)
})

test('top -b -n prints so many pictures; what it does not know is refused', async () => {
  const { cli } = createSoftnet()
  const { status, out } = await cli('top -b -n 2 -d 0.01')
  expect([status, out.match(/^softnet top: \d+ workers/gm)?.length]).toEqual([0, 2])
  expect(out).toContain('CPU  load  pkt/s')
  for (const line of ['top -x', 'top -n', 'top -d 0'])
    expect([line, (await cli(line)).status]).toEqual([line, 2])
})
