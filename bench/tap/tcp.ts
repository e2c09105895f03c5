/**
 * `softnet bench tcp`: TCP that ends in softnet, in a namespace over a TAP, beside the kernel's over veth, in turns: one stream
 * each way, requests of 64 bytes, and connections a second. The servers of softnet are its services, in the worker; the
 * kernel's are programs with blocking calls (support/tcp-server.ts). slirp4netns has a turn where it is installed.
 */
import type { Background } from '../../test/e2e/support/commands.ts'
import { startIn } from '../../test/e2e/support/commands.ts'
import type { Namespace } from '../../workers/os/netns.ts'
import { createNamespace } from '../../workers/os/netns.ts'
import type { ThreadCpu } from '../support/cpu.ts'
import { cpuBetween, daemonCpu, processCpuMs } from '../support/cpu.ts'
import type { Networks, Steering } from '../support/networks.ts'
import { createNetworks, joinSoftnet, VIA_KERNEL, VIA_SOFTNET } from '../support/networks.ts'
import type { Ratio } from '../support/pairs.ts'
import { median, ratioOf, showRatio } from '../support/pairs.ts'
import { runProgram, startServer } from '../support/programs.ts'
import type { TcpLoad, TcpMode } from '../support/tcp-client.ts'

export type TcpOptions = {
  workers: number[]
  steerings: Steering[]
  seconds: number
  rounds: number
}

/** One thing that is measured: what is counted, at which service, and how it is shown. */
type Test = {
  name: string
  mode: TcpMode
  port: number
  clients: number
  /** Of one that is counted, to what is shown. */
  unit: string
  scale: number
  /** CPU time is told for so many of them. */
  per: string
  many: number
}
const TESTS: readonly Test[] = [
  {
    name: 'client sends',
    mode: 'send',
    port: 9,
    clients: 1,
    unit: 'Gbit/s',
    scale: 8e-9,
    per: 'GB',
    many: 1e9,
  },
  {
    name: 'client receives',
    mode: 'receive',
    port: 19,
    clients: 1,
    unit: 'Gbit/s',
    scale: 8e-9,
    per: 'GB',
    many: 1e9,
  },
  {
    name: '64-byte requests',
    mode: 'requests',
    port: 7,
    clients: 64,
    unit: 'k/s',
    scale: 1e-3,
    per: 'k',
    many: 1e3,
  },
  {
    name: 'connections',
    mode: 'connections',
    port: 7,
    clients: 64,
    unit: 'k/s',
    scale: 1e-3,
    per: 'k',
    many: 1e3,
  },
]
const SERVERS = [
  ['discard', 9],
  ['chargen', 19],
  ['echo', 7],
] as const

export type TcpResult = {
  test: string
  unit: string
  /** A shape of softnet's, or another stack. */
  stack: string
  rate: number
  kernelRate: number
  ratio: Ratio
  /** CPU milliseconds of the stack for each `per`: of each of its threads. */
  per: string
  cpu: ThreadCpu[]
}

const serve = async (namespace: Namespace): Promise<Background[]> =>
  await Promise.all(
    SERVERS.map(([mode, port]) => startServer(namespace, 'tcp-server', [mode, port], 'tcp', port))
  )

/** A client's old connections would use up its ports: they end without TIME_WAIT. */
const forgetConnections = async (client: Namespace): Promise<void> => {
  const sysctl = { op: 'sysctl', name: 'net.ipv4.tcp_max_tw_buckets', value: '1' } as const
  await client.ask(sysctl)
}

const load = async (from: Namespace, to: string, test: Test, seconds: number): Promise<TcpLoad> =>
  await runProgram(from, 'tcp-client', [test.mode, to, test.port, seconds, test.clients])

const rateOf = ({ scale }: Test, { count, seconds }: TcpLoad): number => (count * scale) / seconds

/** A stack to measure: where its clients are, where it answers, and what it has used. */
type Stack = { name: string; from: Namespace; address: string; used: () => ThreadCpu[] }

/** In turns with the kernel. */
const measure = async (
  stack: Stack,
  { a }: Networks,
  test: Test,
  { seconds, rounds }: TcpOptions
): Promise<TcpResult> => {
  const ours: number[] = []
  const kernels: number[] = []
  const cpu: ThreadCpu[][] = []
  for (let round = 0; round < rounds; round++) {
    kernels.push(rateOf(test, await load(a, VIA_KERNEL.gateway, test, seconds)))
    const before = stack.used()
    const loaded = await load(stack.from, stack.address, test, seconds)
    const part = loaded.count / test.many
    const used = cpuBetween(before, stack.used())
    cpu.push(
      used.map((thread) => ({
        name: thread.name,
        userMs: thread.userMs / part,
        systemMs: thread.systemMs / part,
      }))
    )
    ours.push(rateOf(test, loaded))
  }
  return {
    test: test.name,
    unit: test.unit,
    stack: stack.name,
    rate: median(ours),
    kernelRate: median(kernels),
    ratio: ratioOf(ours, kernels),
    per: test.per,
    cpu: cpu[0]!.map(({ name }, k) => ({
      name,
      userMs: median(cpu.map((threads) => threads[k]!.userMs)),
      systemMs: median(cpu.map((threads) => threads[k]!.systemMs)),
    })),
  }
}

const show = ({ test, unit, stack, rate, kernelRate, ratio, per, cpu }: TcpResult): void =>
  console.log(
    [
      stack.padEnd(15),
      test.padEnd(17),
      `${rate.toFixed(2).padStart(7)} ${unit.padEnd(6)}`,
      `${kernelRate.toFixed(2).padStart(7)} ${unit.padEnd(6)}`,
      showRatio(ratio).padEnd(18),
      `ms/${per}:`,
      cpu
        .map(({ name, userMs, systemMs }) => `${name} ${userMs.toFixed(1)}+${systemMs.toFixed(1)}`)
        .join(', '),
    ].join(' ')
  )

const measureAll = async (stack: Stack, networks: Networks, options: TcpOptions) => {
  const results: TcpResult[] = []
  for (const test of TESTS) {
    const result = await measure(stack, networks, test, options)
    results.push(result)
    show(result)
  }
  return results
}

const WARM_UP_SECONDS = 1

const runSoftnet = async (
  networks: Networks,
  workers: number,
  steering: Steering,
  options: TcpOptions
): Promise<TcpResult[]> => {
  const daemon = await joinSoftnet(networks, workers, steering)
  try {
    const address = VIA_SOFTNET.gateway
    for (const test of TESTS) await load(networks.a, address, test, WARM_UP_SECONDS)
    const used = (): ThreadCpu[] => daemonCpu(daemon.pid, workers)
    const name = `${steering} x${workers}`
    return await measureAll({ name, from: networks.a, address, used }, networks, options)
  } finally {
    await daemon.stop()
  }
}

/** The host as a guest of slirp4netns sees it. */
const SLIRP_HOST = '10.0.2.2'
const SLIRP_READY_MS = 1000

const runSlirp = async (networks: Networks, options: TcpOptions): Promise<TcpResult[]> => {
  if (Bun.which('slirp4netns') === null) return []
  const guest = await createNamespace({ name: 'guest', device: 'none' })
  await forgetConnections(guest)
  const { kernel } = networks
  const argv = ['slirp4netns', '--configure', '--mtu=65520', `${guest.pid}`, 'tap0']
  const slirp = startIn(kernel, argv, { limitMs: 120_000 })
  try {
    await Bun.sleep(SLIRP_READY_MS)
    const used = (): ThreadCpu[] => [
      { name: 'slirp4netns', userMs: processCpuMs(slirp.pid), systemMs: 0 },
    ]
    const stack = { name: 'slirp4netns', from: guest, address: SLIRP_HOST, used }
    return await measureAll(stack, networks, options)
  } finally {
    await slirp.end()
    await guest.close()
  }
}

export const runTcp = async (options: TcpOptions): Promise<TcpResult[]> => {
  const networks = await createNetworks()
  await forgetConnections(networks.a)
  const servers = await serve(networks.kernel)
  const results: TcpResult[] = []
  try {
    console.log('\nTCP that ends in the stack, beside the kernel in turns; CPU: user+system')
    console.log(
      'stack           test              rate           kernel         ratio of the pairs'
    )
    for (const workers of options.workers)
      for (const steering of options.steerings)
        results.push(...(await runSoftnet(networks, workers, steering, options)))
    results.push(...(await runSlirp(networks, options)))
  } finally {
    for (const server of servers) await server.end()
    await networks.close()
  }
  return results
}
