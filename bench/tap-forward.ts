/**
 * Forwarding through two real TAPs, beside the kernel's own router between two veth pairs, in the same run, in turns:
 * small packets at full speed and at a fixed rate, with what each costs the CPU, and one TCP stream of iperf3. Run by
 * bench/run.ts inside fresh namespaces (createNetworks needs CAP_NET_ADMIN there). How to read it: bench/README.md.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { iperf, runIn, startIn, untilBound } from '../test/e2e/support/commands.ts'
import type { Background } from '../test/e2e/support/commands.ts'
import { processUsage } from '../test/e2e/support/daemon.ts'
import { getAffinity, setAffinity } from '../workers/os/affinity.ts'
import type { Networks, Steering, Way } from './support/networks.ts'
import {
  createNetworks,
  joinSoftnet,
  NOWHERE,
  setKernelRps,
  VIA_KERNEL,
  VIA_SOFTNET,
} from './support/networks.ts'
import type { Generated } from './support/udp-generator.ts'
import { udpArrived } from './support/udp-sink.ts'

export type TapOptions = {
  workers: number[]
  steerings: Steering[]
  /** Seconds of each measurement. */
  seconds: number
  /** Packets a second of the paced measurement. */
  rate: number
}

export type Load = {
  /** Packets a second that the generator sent, and that reached the sink. */
  offered: number
  forwarded: number
  lossPercent: number
  /** CPU time of forwarder and delivery for each packet that arrived. */
  cpuNsPerPacket: number
  /** softnet's part of it that is its own code; the rest is the kernel's, for its reads and writes. */
  userNsPerPacket?: number
}
export type TapResult = {
  forwarder: 'kernel' | 'kernel-rps' | 'softnet'
  workers?: number
  steering?: Steering
  full: Load
  paced: Load
  tcpMbps: number
  /** softnet's figures as parts of the better kernel figure that was taken just before. */
  ratio?: { full: number; paced: number; tcp: number }
}

const PORT = 9000
const FLOWS = 64
const MS_PER_TICK = 10
/** Until the compiler is done: about a million packets. */
const WARM_UP_SECONDS = 3
const SUPPORT = `${import.meta.dir}/support`

/**
 * CPU time of the whole machine that was neither idle nor stolen, in milliseconds. From the idle time, which the kernel
 * measures; the busy columns of /proc/stat are samples, and miss what happens between two ticks.
 */
const machineCpuMs = (): number => {
  const columns = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]!
    .split(/\s+/)
    .slice(1)
    .map(Number)
  const [, , , idle, iowait, , , steal] = columns as number[]
  const notBusy = (idle! + iowait! + steal!) * MS_PER_TICK
  return performance.now() * availableParallelism() - notBusy
}

const send = async (
  { a }: Networks,
  { ifname, source, destination, gateway }: Way,
  seconds: number,
  rate: number
): Promise<Generated> => {
  const args = [ifname, source, destination, gateway, PORT, seconds, rate, FLOWS].map(String)
  const argv = [process.execPath, `${SUPPORT}/udp-generator.ts`, ...args]
  const { status, out, err } = await runIn(a, argv)
  if (status !== 0) throw new Error(`the generator ended with status ${status}: ${err}`)
  return JSON.parse(out) as Generated
}

const load = (generated: Generated, arrived: number, cpuMs: number): Load => ({
  offered: generated.offered / generated.seconds,
  forwarded: arrived / generated.seconds,
  lossPercent: Math.max(0, 100 * (1 - arrived / generated.offered)),
  cpuNsPerPacket: (cpuMs * 1e6) / Math.max(1, arrived),
})

/** What a generator costs where it sends to nobody: for each packet, and once for its start. */
type Calibration = { sendNs: number; startMs: number }

const calibrate = async (
  networks: Networks,
  seconds: number,
  rate: number
): Promise<Calibration> => {
  const before = machineCpuMs()
  const { offered, cpuUs } = await send(networks, NOWHERE, seconds, rate)
  return { sendNs: (cpuUs * 1e3) / offered, startMs: machineCpuMs() - before - cpuUs / 1e3 }
}

/**
 * Without RPS the kernel forwards inside the generator's own system call, so its part is what the generator takes more
 * than by itself. With RPS it forwards on other CPUs in nobody's name: what the whole machine did less the
 * generator's part, which is only as exact as the machine is quiet.
 */
const measureKernel = async (
  networks: Networks,
  isRps: boolean,
  { sendNs, startMs }: Calibration,
  seconds: number,
  rate: number
): Promise<Load> => {
  const [before, cpuBefore] = [udpArrived(networks.b.pid), machineCpuMs()]
  const generated = await send(networks, VIA_KERNEL, seconds, rate)
  const inAllMs = isRps ? machineCpuMs() - cpuBefore - startMs : generated.cpuUs / 1e3
  const cpuMs = inAllMs - (generated.offered * sendNs) / 1e6
  return load(generated, udpArrived(networks.b.pid) - before, Math.max(0, cpuMs))
}

/** softnet's part is the CPU time of its process: the delivery in b runs inside its write(2). */
const measureSoftnet = async (
  networks: Networks,
  pid: number,
  seconds: number,
  rate: number
): Promise<Load> => {
  const [before, start] = [udpArrived(networks.b.pid), processUsage(pid)]
  const generated = await send(networks, VIA_SOFTNET, seconds, rate)
  const end = processUsage(pid)
  const arrived = udpArrived(networks.b.pid) - before
  const userMs = end.userMs - start.userMs
  const result = load(generated, arrived, userMs + end.systemMs - start.systemMs)
  return { ...result, userNsPerPacket: (userMs * 1e6) / Math.max(1, arrived) }
}

const tcpMbps = async ({ a, b }: Networks, { destination }: Way, seconds: number) =>
  (await iperf(a, b, destination, [], seconds)).bitsPerSecond / 1e6

const runKernel = async (
  networks: Networks,
  forwarder: 'kernel' | 'kernel-rps',
  calibrations: { full: Calibration; paced: Calibration },
  { seconds, rate }: TapOptions
): Promise<TapResult> => {
  // The generator has CPU 0; with RPS the kernel forwards on the others.
  const isRps = forwarder === 'kernel-rps'
  await setKernelRps(networks, !isRps ? 0 : 2 ** availableParallelism() - 2)
  return {
    forwarder,
    full: await measureKernel(networks, isRps, calibrations.full, seconds, 0),
    paced: await measureKernel(networks, isRps, calibrations.paced, seconds, rate),
    tcpMbps: await tcpMbps(networks, VIA_KERNEL, seconds),
  }
}

/** Gives all threads of a process these CPUs. */
const confine = (pid: number, cpus: readonly number[]): void => {
  for (const tid of readdirSync(`/proc/${pid}/task`)) setAffinity(cpus, Number(tid))
}

const runSoftnet = async (
  networks: Networks,
  workers: number,
  steering: Steering,
  { seconds, rate }: TapOptions
): Promise<TapResult> => {
  const daemon = await joinSoftnet(networks, workers, steering)
  const cpus = getAffinity()
  try {
    // As the kernel with RPS: the generator has CPU 0, the forwarder the others.
    if (cpus.length > 1) confine(daemon.pid, cpus.slice(1))
    // The first packets are for the compiler.
    await send(networks, VIA_SOFTNET, WARM_UP_SECONDS, 0)
    const full = await measureSoftnet(networks, daemon.pid, seconds, 0)
    const paced = await measureSoftnet(networks, daemon.pid, seconds, rate)
    confine(daemon.pid, cpus)
    return {
      forwarder: 'softnet',
      workers,
      steering,
      full,
      paced,
      tcpMbps: await tcpMbps(networks, VIA_SOFTNET, seconds),
    }
  } finally {
    await daemon.stop()
  }
}

const mean = (values: number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length

/** A figure of one of the kernel's ways, averaged over its turns. */
const kernelMean = (
  results: TapResult[],
  forwarder: TapResult['forwarder'],
  figure: (result: TapResult) => number
): number => mean(results.filter((result) => result.forwarder === forwarder).map(figure))

/** For rates the better of the kernel's ways counts; for CPU time the one that can be measured exactly. */
const addRatios = (results: TapResult[]): void => {
  const better = (figure: (result: TapResult) => number): number =>
    Math.max(kernelMean(results, 'kernel', figure), kernelMean(results, 'kernel-rps', figure))
  const full = better((result) => result.full.forwarded)
  const paced = kernelMean(results, 'kernel', (result) => result.paced.cpuNsPerPacket)
  const tcp = better((result) => result.tcpMbps)
  for (const result of results) {
    if (result.forwarder !== 'softnet') continue
    result.ratio = {
      full: result.full.forwarded / full,
      paced: result.paced.cpuNsPerPacket / paced,
      tcp: result.tcpMbps / tcp,
    }
  }
}

const startSink = async ({ b }: Networks): Promise<Background> => {
  const argv = [process.execPath, `${SUPPORT}/udp-sink.ts`, `${PORT}`]
  const sink = startIn(b, argv, { limitMs: 600_000, holdInput: true })
  await untilBound(b, 'udp', PORT)
  return sink
}

const shape = (result: TapResult): string =>
  result.forwarder === 'softnet' ? `${result.steering} x${result.workers}` : result.forwarder

const number = (value: number, width: number, digits = 0): string =>
  value
    .toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
    .padStart(width)

const user = ({ userNsPerPacket }: Load): string =>
  userNsPerPacket === undefined ? '    -' : number(userNsPerPacket, 5)

const line = (result: TapResult): string => {
  const { full, paced, tcpMbps } = result
  return [
    shape(result).padEnd(15),
    number(full.offered, 10),
    number(full.forwarded, 10),
    number(full.lossPercent, 6, 1),
    number(full.cpuNsPerPacket, 7),
    user(full),
    number(paced.forwarded, 10),
    number(paced.lossPercent, 6, 1),
    number(paced.cpuNsPerPacket, 7),
    user(paced),
    number(tcpMbps, 8),
  ].join(' ')
}

const ratioLine = (result: TapResult): string =>
  `${shape(result).padEnd(15)} packets/s ${number(result.ratio!.full, 5, 2)}   ` +
  `CPU a packet ${number(result.ratio!.paced, 5, 2)}   TCP ${number(result.ratio!.tcp, 5, 2)}`

/** Measures and prints; the kernel has a turn before each of softnet's. */
export const runTapForward = async (options: TapOptions): Promise<TapResult[]> => {
  const networks = await createNetworks()
  let sink: Background | undefined
  const results: TapResult[] = []
  const add = (result: TapResult): void => {
    results.push(result)
    console.log(line(result))
  }
  try {
    sink = await startSink(networks)
    const calibrations = {
      full: await calibrate(networks, options.seconds, 0),
      paced: await calibrate(networks, options.seconds, options.rate),
    }
    console.log(
      `forwarding 60-byte UDP of ${FLOWS} flows; generator ${number(calibrations.full.sendNs, 1)} ns a packet`
    )
    const paced = `at ${options.rate / 1000} k packets/s`
    console.log(`${'at full speed'.padStart(56)} ${paced.padStart(31)} ${'iperf3'.padStart(8)}`)
    console.log(
      'forwarder          offered  forwarded  loss%  ns/pkt  user  forwarded  loss%  ns/pkt  user   Mbit/s'
    )
    const softnets = options.workers.flatMap((workers) =>
      options.steerings.map((steering) => ({ workers, steering }))
    )
    for (const [i, { workers, steering }] of softnets.entries()) {
      const kernel = i % 2 === 0 ? 'kernel' : 'kernel-rps'
      add(await runKernel(networks, kernel, calibrations, options))
      add(await runSoftnet(networks, workers, steering, options))
    }
    if (softnets.length < 2) add(await runKernel(networks, 'kernel-rps', calibrations, options))
  } finally {
    await sink?.end()
    await networks.close()
  }
  addRatios(results)
  console.log('\nsoftnet / kernel (rates: the better of its ways; CPU: without RPS)')
  for (const result of results) if (result.ratio) console.log(ratioLine(result))
  return results
}
