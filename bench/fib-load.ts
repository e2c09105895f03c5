/**
 * How long a daemon takes to load a full table over HTTP (1,000,000 IPv4 and 200,000 IPv6 prefixes, `routes:batch`), what memory
 * it has then, and how soon a change is in force while a thousand a second go on. Needs no privilege. Prints figures.
 *
 *   bun bench/fib-load.ts [IPV4-PREFIXES [IPV6-PREFIXES [SECONDS-OF-CHANGES]]]
 */
import { formatIpv4, formatIpv6 } from '../core/wire/text.ts'
import type { Daemon } from '../test/e2e/support/daemon.ts'
import { processUsage, startDaemon } from '../test/e2e/support/daemon.ts'
import { createRandom, fullTable4, fullTable6, type TablePrefix } from './support/full-table.ts'

const [ipv4 = 1_000_000, ipv6 = 200_000, seconds = 10] = process.argv.slice(2).map(Number)
const CONFIG = `
[[link]]
ifname = "d0"
kind = "dummy"
addresses = ["10.0.0.1/16", "fd00::1/64"]
`
/** Next hops that the prefixes are spread over, as those of a router's peers. */
const PEERS = 64
/** Lines of one request: some megabytes. */
const PIECE = 100_000
const CHANGES_PER_SECOND = 1000
/** Prefixes that are changed. */
const CHANGED = 20_000

type Family = { name: string; dst: (prefix: TablePrefix) => string; gateway: (n: number) => string }
const FAMILIES: Record<'ipv4' | 'ipv6', Family> = {
  ipv4: {
    name: 'IPv4',
    dst: ({ words, plen }) => `${formatIpv4(words[3])}/${plen}`,
    gateway: (n) => `10.0.1.${n}`,
  },
  ipv6: {
    name: 'IPv6',
    dst: ({ words, plen }) => `${formatIpv6(...words)}/${plen}`,
    gateway: (n) => `fd00::1:${n.toString(16)}`,
  },
}
const { bits, below } = createRandom(11)

const load = async ({ unix, pid }: Daemon, family: Family, prefixes: readonly TablePrefix[]) => {
  const lines = prefixes.map((prefix) =>
    JSON.stringify({ dst: family.dst(prefix), gateway: family.gateway(1 + below(PEERS)) })
  )
  const begun = performance.now()
  for (let at = 0; at < lines.length; at += PIECE) {
    const response = await fetch('http://softnet/v1/tables/main/routes:batch', {
      unix,
      method: 'POST',
      headers: { accept: 'application/x-ndjson', 'content-type': 'application/x-ndjson' },
      body: lines.slice(at, at + PIECE).join('\n'),
    })
    const refused = (await response.text())
      .trimEnd()
      .split('\n')
      .find((line) => !line.includes('"status":200'))
    if (refused !== undefined) throw new Error(refused)
  }
  const took = (performance.now() - begun) / 1000
  const { rssMb } = processUsage(pid)
  console.log(
    `${prefixes.length.toLocaleString('en')} ${family.name} prefixes: ${took.toFixed(1)} s, then ${rssMb.toFixed(0)} MB resident`
  )
  return took
}

const shares = (times: number[]): string => {
  times.sort((a, b) => a - b)
  const at = (share: number): string => times[Math.floor((times.length - 1) * share)]!.toFixed(1)
  return `p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}, all ${at(1)}`
}

/** Prefixes are withdrawn and announced again by the clock; each answer says that the change is in force. */
const change = async (daemon: Daemon, prefixes: readonly TablePrefix[]): Promise<void> => {
  const { dst, gateway } = FAMILIES.ipv4
  const times: number[] = []
  const late: number[] = []
  const answers: Promise<void>[] = []
  const begun = performance.now()
  const path = (prefix: TablePrefix): string => `/v1/tables/main/routes/${dst(prefix)}`
  const total = seconds * CHANGES_PER_SECOND
  for (let n = 0; n < total; n++) {
    const due = begun + (n * 1000) / CHANGES_PER_SECOND
    const wait = due - performance.now()
    if (wait > 0) await Bun.sleep(wait)
    const prefix = prefixes[(bits() % prefixes.length) & ~1]!
    const body = { gateway: gateway(1 + below(PEERS)) }
    late.push(Math.max(0, performance.now() - due))
    answers.push(
      daemon.must('PUT', path(prefix), body).then(() => void times.push(performance.now() - due))
    )
  }
  await Promise.all(answers)
  console.log(
    `${total.toLocaleString('en')} changes, ${CHANGES_PER_SECOND} a second, in force after ms: ${shares(times)}; of it asked for late: ${shares(late)}`
  )
}

const daemon = await startDaemon({ workers: 1, config: CONFIG })
try {
  const table4 = fullTable4(ipv4)
  const took = await load(daemon, FAMILIES.ipv4, table4)
  const took6 = await load(daemon, FAMILIES.ipv6, fullTable6(ipv6))
  console.log(`in all ${(took + took6).toFixed(1)} s`)
  // who asks has a small heap, so that it is the daemon's time that counts, and not that of collecting a table
  const some = Array.from({ length: CHANGED }, () => table4[bits() % table4.length]!)
  table4.length = 0
  Bun.gc(true)
  await change(daemon, some)
  console.log(`${processUsage(daemon.pid).rssMb.toFixed(0)} MB resident at the end`)
} finally {
  await daemon.stop()
}
