/**
 * `softnet bench forward`, the part with devices: forwarding through two real TAPs, beside the kernel's own router between two
 * veth pairs, in turns: UDP frames of several sizes at full speed, small ones at a fixed rate, and TCP in super-frames. Runs as
 * root of fresh namespaces. How to read it: bench/README.md.
 */
import { availableParallelism } from 'node:os'
import { iperf } from '../../test/e2e/support/commands.ts'
import type { Daemon } from '../../test/e2e/support/daemon.ts'
import { getAffinity } from '../../workers/os/affinity.ts'
import { CONGESTION_CONTROL } from '../support/congestion.ts'
import type { ThreadCpu } from '../support/cpu.ts'
import { confine, cpuBetween, daemonCpu, machineCpuMs } from '../support/cpu.ts'
import type { Networks, Steering, Way } from '../support/networks.ts'
import {
  createNetworks,
  joinSoftnet,
  NOWHERE,
  setKernelRps,
  VIA_KERNEL,
  VIA_SOFTNET,
} from '../support/networks.ts'
import type { Ratio } from '../support/pairs.ts'
import { median, ratioOf, showRatio } from '../support/pairs.ts'
import { runProgram, startServer } from '../support/programs.ts'
import type { Generated } from '../support/udp-generator.ts'
import { udpArrived } from '../support/udp-sink.ts'

export type TapOptions = {
  workers: number[]
  steerings: Steering[]
  /** Seconds of each measurement, and how often each is taken. */
  seconds: number
  rounds: number
  /** Packets a second of the paced measurement. */
  rate: number
}

/** UDP frames of `bytes`, at `rate` packets a second or as many as go (0); or one TCP stream of super-frames. */
type Load = { name: string; bytes: number; rate: number } | { name: string; bytes: 'tcp' }

/** What went through once. */
type Passed = {
  /** Packets a second, or Gbit/s. */
  offered: number
  rate: number
  /** CPU nanoseconds a packet (TCP: a kilobyte), forwarding and delivery. */
  cpuNs: number
}
type PassedSoftnet = Passed & { threads: ThreadCpu[]; vectorsPerCall: number }

export type ForwardResult = {
  shape: string
  load: string
  unit: string
  rate: number
  lossPercent: number
  /** Of the better of the kernel's ways, whose name stands there. */
  kernelRate: number
  kernel: string
  ratio: Ratio
  /** CPU nanoseconds a packet; the kernel's where it forwards in the generator's call, which is exact. */
  cpuNs: number
  kernelCpuNs: number
  /** CPU milliseconds for a million packets (TCP: a GB) of each of the daemon's threads. */
  threads: ThreadCpu[]
  vectorsPerCall: number
}

const PORT = 9000
const FLOWS = 64
/** Until the compiler is done: about a million packets. */
const WARM_UP_SECONDS = 3
/** Of 60 bytes is the least an Ethernet frame has; of 1,514 the most at this MTU. */
const SIZES = [60, 512, 1514]

const send = async (
  { a }: Networks,
  { ifname, source, destination, gateway }: Way,
  seconds: number,
  { bytes, rate }: { bytes: number; rate: number }
): Promise<Generated> =>
  await runProgram(a, 'udp-generator', [
    ifname,
    source,
    destination,
    gateway,
    PORT,
    seconds,
    rate,
    FLOWS,
    bytes,
  ])

const passed = (generated: Generated, arrived: number, cpuMs: number): Passed => ({
  offered: generated.offered / generated.seconds,
  rate: arrived / generated.seconds,
  cpuNs: (cpuMs * 1e6) / Math.max(1, arrived),
})

/** What a generator costs where it sends to nobody: for each packet, and once for its start. */
type Calibration = { sendNs: number; startMs: number }

const calibrate = async (
  networks: Networks,
  seconds: number,
  load: { bytes: number; rate: number }
): Promise<Calibration> => {
  const before = machineCpuMs()
  const { offered, cpuUs } = await send(networks, NOWHERE, seconds, load)
  return { sendNs: (cpuUs * 1e3) / offered, startMs: machineCpuMs() - before - cpuUs / 1e3 }
}

const tcp = async (networks: Networks, { destination }: Way, seconds: number): Promise<Passed> => {
  const { a, b } = networks
  const args = ['-C', CONGESTION_CONTROL]
  const rate = (await iperf(a, b, destination, args, Math.ceil(seconds))).bitsPerSecond / 1e9
  return { offered: rate, rate, cpuNs: Number.NaN }
}

/**
 * Without RPS the kernel forwards inside the generator's own system call, so its part is what the generator takes more
 * than by itself. With RPS it forwards on other CPUs in nobody's name: what the whole machine did less the
 * generator's part, which is only as exact as the machine is quiet.
 */
const passKernel = async (
  networks: Networks,
  isRps: boolean,
  load: Load,
  seconds: number,
  { sendNs, startMs }: Calibration
): Promise<Passed> => {
  // The generator has CPU 0; with RPS the kernel forwards on the others.
  await setKernelRps(networks, isRps ? 2 ** availableParallelism() - 2 : 0)
  if (load.bytes === 'tcp') return tcp(networks, VIA_KERNEL, seconds)
  const [before, cpuBefore] = [udpArrived(networks.b.pid), machineCpuMs()]
  const generated = await send(networks, VIA_KERNEL, seconds, load)
  const inAllMs = isRps ? machineCpuMs() - cpuBefore - startMs : generated.cpuUs / 1e3
  const cpuMs = inAllMs - (generated.offered * sendNs) / 1e6
  return passed(generated, udpArrived(networks.b.pid) - before, Math.max(0, cpuMs))
}

const vectors = async (daemon: Daemon) => {
  const workers = await daemon.list<{ calls: number; vectors: number }>('/v1/workers')
  const sum = (name: 'calls' | 'vectors') => workers.reduce((all, each) => all + each[name], 0)
  return { calls: sum('calls'), vectors: sum('vectors') }
}

/** softnet's part is the CPU time of its process: the delivery in b runs inside its write(2). */
const passSoftnet = async (
  networks: Networks,
  daemon: Daemon,
  workers: number,
  load: Load,
  seconds: number
): Promise<PassedSoftnet> => {
  const [before, start, calls] = [
    udpArrived(networks.b.pid),
    daemonCpu(daemon.pid, workers),
    await vectors(daemon),
  ]
  const isTcp = load.bytes === 'tcp'
  const generated = isTcp
    ? null
    : await send(networks, VIA_SOFTNET, seconds, load as { bytes: number; rate: number })
  const stream = isTcp ? await tcp(networks, VIA_SOFTNET, seconds) : null
  const used = cpuBetween(start, daemonCpu(daemon.pid, workers))
  const after = await vectors(daemon)
  const cpuMs = used.reduce((sum, { userMs, systemMs }) => sum + userMs + systemMs, 0)
  const arrived = udpArrived(networks.b.pid) - before
  const result = stream ?? passed(generated!, arrived, cpuMs)
  const millions = stream === null ? arrived / 1e6 : (stream.rate * Math.ceil(seconds)) / 8
  return {
    ...result,
    vectorsPerCall: (after.vectors - calls.vectors) / Math.max(1, after.calls - calls.calls),
    threads: used.map(({ name, userMs, systemMs }) => ({
      name,
      userMs: userMs / millions,
      systemMs: systemMs / millions,
    })),
  }
}

const middle = (all: PassedSoftnet[]): ThreadCpu[] =>
  all[0]!.threads.map(({ name }, k) => ({
    name,
    userMs: median(all.map(({ threads }) => threads[k]!.userMs)),
    systemMs: median(all.map(({ threads }) => threads[k]!.systemMs)),
  }))

/** The kernel has a turn in each of its ways before each of softnet's. */
const measure = async (
  networks: Networks,
  daemon: Daemon,
  shape: { workers: number; steering: Steering },
  load: Load,
  { seconds, rounds }: TapOptions,
  calibration: Calibration
): Promise<ForwardResult> => {
  const ours: PassedSoftnet[] = []
  const inline: Passed[] = []
  const rps: Passed[] = []
  for (let round = 0; round < rounds; round++) {
    inline.push(await passKernel(networks, false, load, seconds, calibration))
    rps.push(await passKernel(networks, true, load, seconds, calibration))
    ours.push(await passSoftnet(networks, daemon, shape.workers, load, seconds))
  }
  const rates = (all: Passed[]): number[] => all.map(({ rate }) => rate)
  const isRpsBetter = median(rates(rps)) > median(rates(inline))
  const better = rates(isRpsBetter ? rps : inline)
  return {
    shape: `${shape.steering} x${shape.workers}`,
    load: load.name,
    unit: load.bytes === 'tcp' ? 'Gbit/s' : 'packets/s',
    rate: median(rates(ours)),
    lossPercent: median(ours.map(({ offered, rate }) => Math.max(0, 100 * (1 - rate / offered)))),
    kernelRate: median(better),
    kernel: isRpsBetter ? 'kernel-rps' : 'kernel',
    ratio: ratioOf(rates(ours), better),
    cpuNs: median(ours.map(({ cpuNs }) => cpuNs)),
    kernelCpuNs: median(inline.map(({ cpuNs }) => cpuNs)),
    threads: middle(ours),
    vectorsPerCall: median(ours.map(({ vectorsPerCall }) => vectorsPerCall)),
  }
}

const rate = (value: number, unit: string): string =>
  (unit === 'Gbit/s' ? value.toFixed(2) : Math.round(value).toLocaleString('en')).padStart(9)
const cost = (value: number): string => (Number.isNaN(value) ? '-' : value.toFixed(0)).padStart(7)

const show = (result: ForwardResult): void => {
  const { shape, load, unit, lossPercent, threads } = result
  const parts = threads.map(
    ({ name, userMs, systemMs }) => `${name} ${userMs.toFixed(0)}+${systemMs.toFixed(0)}`
  )
  console.log(
    [
      shape.padEnd(14),
      load.padEnd(15),
      rate(result.rate, unit),
      lossPercent.toFixed(1).padStart(6),
      rate(result.kernelRate, unit),
      result.kernel.padEnd(10),
      showRatio(result.ratio).padEnd(17),
      cost(result.cpuNs),
      cost(result.kernelCpuNs),
      result.vectorsPerCall.toFixed(0).padStart(7),
      ` ${parts.join(', ')}`,
    ].join(' ')
  )
}

const runShape = async (
  networks: Networks,
  shape: { workers: number; steering: Steering },
  loads: readonly Load[],
  options: TapOptions,
  calibrations: ReadonlyMap<Load, Calibration>
): Promise<ForwardResult[]> => {
  const daemon = await joinSoftnet(networks, shape.workers, shape.steering)
  const cpus = getAffinity()
  const results: ForwardResult[] = []
  try {
    // The first packets are for the compiler.
    await send(networks, VIA_SOFTNET, WARM_UP_SECONDS, { bytes: 60, rate: 0 })
    for (const load of loads) {
      // As the kernel with RPS: the generator has CPU 0, the forwarder the others. For TCP all have all.
      const isAlone = load.bytes !== 'tcp' && cpus.length > 1
      confine(daemon.pid, isAlone ? cpus.slice(1) : cpus)
      const none = { sendNs: 0, startMs: 0 }
      const calibration = calibrations.get(load) ?? none
      const result = await measure(networks, daemon, shape, load, options, calibration)
      results.push(result)
      show(result)
    }
  } finally {
    await daemon.stop()
  }
  return results
}

/** Measures and prints. */
export const runTapForward = async (options: TapOptions): Promise<ForwardResult[]> => {
  const udp = SIZES.map((bytes) => ({ name: `${bytes} bytes`, bytes, rate: 0 }))
  const paced = { name: `60 at ${options.rate / 1000} k/s`, bytes: 60, rate: options.rate }
  const loads: Load[] = [...udp, paced, { name: 'super-frames', bytes: 'tcp' }]
  const networks = await createNetworks()
  const sink = await startServer(networks.b, 'udp-sink', [PORT], 'udp', PORT)
  const results: ForwardResult[] = []
  try {
    const calibrations = new Map<Load, Calibration>()
    for (const load of [...udp, paced])
      calibrations.set(load, await calibrate(networks, options.seconds, load))
    console.log(
      `\nforwarding UDP of ${FLOWS} flows through two TAPs; the generator takes ${calibrations.get(udp[0]!)!.sendNs.toFixed(0)} ns a packet`
    )
    console.log(
      'shape          load              softnet  loss%    kernel            ratio of pairs     ns/pkt  kernel vec/call  ms of CPU for a million packets or a GB: user+system'
    )
    for (const workers of options.workers)
      for (const steering of options.steerings)
        results.push(
          ...(await runShape(networks, { workers, steering }, loads, options, calibrations))
        )
  } finally {
    await sink.end()
    await networks.close()
  }
  return results
}
