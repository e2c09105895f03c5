// The two sides of a lab: lines of `ip` and `sysctl`, run by the kernel in a namespace that stands for the first net, and by softnet's
// command line over the daemon's API. Each line is answered by what it says, which is nothing when all went well.

import type { Cli } from '../../../api/cli/cli.ts'
import { run } from '../../../api/cli/run.ts'
import type { Namespace } from '../../../workers/os/netns.ts'
import { runIn } from '../support/commands.ts'
import type { Daemon } from '../support/daemon.ts'
import { DEFAULT, inside } from './draw.ts'

/** Neighbours that do not answer are given up after three times that. */
export const RETRANS_MS = 100
/** Pieces of packets are waited for so long. */
export const PIECES_S = 1
/**
 * What every net is told, here and there: to forward, to keep nothing back, to have its addresses at once, to believe what it
 * is told of nearer ways, and to choose among several next hops by the same hash.
 */
const SYSCTLS = {
  'net.ipv4.ip_forward': 1,
  'net.ipv4.icmp_ratemask': 0,
  'net.ipv4.icmp_msgs_per_sec': 1_000_000,
  'net.ipv4.icmp_msgs_burst': 1_000_000,
  'net.ipv4.conf.all.accept_redirects': 1,
  'net.ipv4.conf.default.accept_redirects': 1,
  'net.ipv4.fib_multipath_hash_seed': 42,
  'net.ipv4.ipfrag_time': PIECES_S,
  'net.ipv6.conf.all.forwarding': 1,
  'net.ipv6.icmp.ratelimit': 0,
  'net.ipv6.ip6frag_time': PIECES_S,
  'net.ipv6.conf.default.accept_dad': 0,
  'net.ipv6.auto_flowlabels': 0,
}
const SOFTNET_SYSCTLS = {
  'net.ipv4.neigh.default.retrans_time_ms': RETRANS_MS,
  'net.ipv6.neigh.default.retrans_time_ms': RETRANS_MS,
}
/** And the kernel's nets besides, which have these of the machine. */
const KERNEL_SYSCTLS = {
  'net.ipv4.conf.all.rp_filter': 0,
  'net.ipv4.conf.default.rp_filter': 0,
  'net.ipv4.conf.all.send_redirects': 1,
  'net.ipv4.conf.default.send_redirects': 1,
  'net.ipv6.conf.all.disable_ipv6': 0,
  'net.ipv6.conf.default.disable_ipv6': 0,
}
const policyOf = (policy: number): Record<string, number> => ({
  'net.ipv4.fib_multipath_hash_policy': policy,
  'net.ipv6.fib_multipath_hash_policy': policy,
})
/** The kernel has the time of retransmissions by device. */
export const quickly = (name: string, dev: string): string[] =>
  ['arp_cache', 'ndisc_cache'].map(
    (cache) => `${inside(name)} ntable change name ${cache} dev ${dev} retrans ${RETRANS_MS}`
  )

export type Side = {
  run: (lines: readonly string[]) => Promise<string[]>
  /** What a net is told that is new, or was there from the start, and by what it tells flows apart (fib_multipath_hash_policy). */
  tell: (name: string, policy: number) => Promise<void>
}

const END = '@'
export const kernelSide = (root: Namespace): Side => {
  const runLines: Side['run'] = async (lines) => {
    const script = lines.map((line) => `${line} 2>&1; echo ${END}`).join('\n')
    const { out } = await runIn(root, ['sh', '-c', script])
    return out
      .split(`${END}\n`)
      .slice(0, -1)
      .map((said) => said.trim())
  }
  const tell = async (name: string, policy: number): Promise<void> => {
    const where = name === DEFAULT ? '' : `ip netns exec ${name} `
    const words = Object.entries({ ...KERNEL_SYSCTLS, ...SYSCTLS, ...policyOf(policy) }).map(
      (one) => one.join('=')
    )
    const [said] = await runLines([`${where}sysctl -q -w ${words.join(' ')}`])
    if (said !== '') throw new Error(said)
  }
  return { run: runLines, tell }
}

export const softnetSide = (daemon: Daemon): Side => {
  const { unix } = daemon
  const runLine = async (line: string): Promise<string> => {
    let said = ''
    const say = (text: string): void => {
      said += text
    }
    const cli: Cli = {
      fetch: (path, init) => fetch(`http://softnet${path}`, { ...init, unix }),
      endpoint: unix,
      env: {},
      out: say,
      err: say,
      json: false,
    }
    await run(line.split(' '), cli)
    // it says what to do as well
    return said.replace(/ \([\w.]+: .*\)$/m, '').trim()
  }
  const tell = async (name: string, policy: number): Promise<void> => {
    const path = name === DEFAULT ? '/v1' : `/v1/netns/${name}`
    for (const [key, value] of Object.entries({
      ...SYSCTLS,
      ...SOFTNET_SYSCTLS,
      ...policyOf(policy),
    }))
      await daemon.must('PUT', `${path}/sysctl/${key}`, { value })
  }
  return {
    run: async (lines) => {
      const said: string[] = []
      for (const line of lines) said.push(await runLine(line))
      return said
    },
    tell,
  }
}
