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
import type { ChangeTimes } from './support/route-changes.ts'

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
/** Within which nearly all changes are to be in force. */
const WANTED_MS = 5

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

/** Prefixes have other gateways by the clock; each answer says that the change is in force. */
const change = async (daemon: Daemon, prefixes: readonly TablePrefix[]): Promise<void> => {
  const { dst, gateway } = FAMILIES.ipv4
  const lines = prefixes.map(
    (prefix) => `/v1/tables/main/routes/${dst(prefix)} {"gateway":"${gateway(1 + below(PEERS))}"}`
  )
  const program = `${import.meta.dir}/support/route-changes.ts`
  const argv = [process.execPath, program, daemon.unix, `${CHANGES_PER_SECOND}`, `${seconds}`]
  const asker = Bun.spawn(argv, { stdin: Buffer.from(lines.join('\n')), stderr: 'inherit' })
  const { late, took } = (await new Response(asker.stdout).json()) as ChangeTimes
  const over = took.filter((ms) => ms > WANTED_MS).length
  console.log(
    `${took.length.toLocaleString('en')} changes, ${CHANGES_PER_SECOND} a second, in force after ms: ${shares(took)}; ${over} after more than ${WANTED_MS}`
  )
  console.log(`of its own the asker was late by ms: ${shares(late)}`)
}

const daemon = await startDaemon({ workers: 1, config: CONFIG })
try {
  const table4 = fullTable4(ipv4)
  const took = await load(daemon, FAMILIES.ipv4, table4)
  const took6 = await load(daemon, FAMILIES.ipv6, fullTable6(ipv6))
  console.log(`in all ${(took + took6).toFixed(1)} s`)
  await change(
    daemon,
    Array.from({ length: CHANGED }, () => table4[bits() % table4.length]!)
  )
  console.log(`${processUsage(daemon.pid).rssMb.toFixed(0)} MB resident at the end`)
} finally {
  await daemon.stop()
}
