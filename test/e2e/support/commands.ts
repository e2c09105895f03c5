// Real programs inside a namespace, as a test needs them: run one to its end with its output, or have one in the
// background until the test is over. nsenter(1) becomes the program, so a process id is the program's own.

import type { Namespace } from '../../../workers/os/netns.ts'
import type { Tool } from '../../support/tools.ts'
import { requireTool, toolPath } from '../../support/tools.ts'

const enter = ({ pid }: Namespace): string[] => [
  'nsenter',
  `--net=/proc/${pid}/ns/net`,
  `--mount=/proc/${pid}/ns/mnt`,
  '--',
]

export type Ran = { status: number; out: string; err: string }

export type Background = {
  pid: number
  /** Resolves when the program has ended by itself or by end(). */
  result: Promise<Ran>
  end(): Promise<Ran>
}

const DEFAULT_LIMIT_MS = 25_000

export type StartOptions = {
  limitMs?: number
  input?: Blob
  /** Standard input stays open until end(), for programs that end with it. */
  holdInput?: boolean
}

/** Starts a program in a namespace; it is killed after `limitMs`. */
export const startIn = (
  namespace: Namespace,
  argv: string[],
  { limitMs = DEFAULT_LIMIT_MS, input, holdInput = false }: StartOptions = {}
): Background => {
  const child = Bun.spawn([...enter(namespace), ...argv], {
    env: { ...process.env, PATH: toolPath(), LC_ALL: 'C' },
    stdin: holdInput ? 'pipe' : (input ?? 'ignore'),
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: limitMs,
    killSignal: 'SIGKILL',
  })
  const output = Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  const result = output.then(async ([out, err]) => ({ status: await child.exited, out, err }))
  const end = (): Promise<Ran> => {
    child.kill('SIGTERM')
    return result
  }
  return { pid: child.pid, result, end }
}

/** Runs a program to its end. */
export const runIn = (namespace: Namespace, argv: string[], limitMs?: number): Promise<Ran> =>
  startIn(namespace, argv, limitMs === undefined ? {} : { limitMs }).result

/** As runIn, for one of the tools, and throws what it said when it fails. */
export const toolIn = async (
  namespace: Namespace,
  tool: Tool,
  args: string[],
  limitMs?: number
): Promise<string> => {
  const { status, out, err } = await runIn(namespace, [requireTool(tool), ...args], limitMs)
  if (status !== 0) throw new Error(`${tool} ${args.join(' ')}: status ${status}\n${out}${err}`)
  return out
}

/** Percentage lost, of ping's summary. */
export const pingLoss = (output: string): number =>
  Number(/([\d.]+)% packet loss/.exec(output)?.[1] ?? Number.NaN)

/** Waits until a TCP port of a namespace is listened on, or a UDP port is bound. */
export const untilBound = async (
  { pid }: Pick<Namespace, 'pid'>,
  protocol: 'tcp' | 'udp',
  port: number
): Promise<void> => {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')} `
  const state = protocol === 'tcp' ? ' 0A ' : ' 07 '
  const deadline = performance.now() + 10_000
  for (;;) {
    for (const file of [protocol, `${protocol}6`]) {
      const text = await Bun.file(`/proc/${pid}/net/${file}`).text()
      const isThere = (line: string) => line.slice(0, 50).includes(wanted) && line.includes(state)
      if (text.split('\n').some(isThere)) return
    }
    if (performance.now() > deadline) throw new Error(`nobody bound ${protocol} port ${port}`)
    await Bun.sleep(5)
  }
}

export type Iperf = { bitsPerSecond: number; lostPercent: number }

/** What is read of iperf3 -J. */
type Sum = { bits_per_second: number; lost_percent?: number }
type IperfJson = { error?: string; end: { sum?: Sum; sum_received?: Sum } }

/** One iperf3 run from a client's namespace to a server's. */
export const iperf = async (
  client: Namespace,
  server: Namespace,
  address: string,
  args: string[],
  seconds: number
): Promise<Iperf> => {
  const limitMs = seconds * 1000 + 20_000
  const iperf3 = requireTool('iperf3')
  const serving = startIn(server, [iperf3, '-s', '-1', '-p', '5201'], { limitMs })
  try {
    await untilBound(server, 'tcp', 5201)
    const argv = [iperf3, '-c', address, '-p', '5201', '-t', `${seconds}`, '-J', ...args]
    const { status, out, err } = await runIn(client, argv, limitMs)
    const json = JSON.parse(out || '{}') as IperfJson
    if (status !== 0 || json.error) {
      throw new Error(`iperf3 ${args.join(' ')}: status ${status} ${json.error ?? ''} ${err}`)
    }
    const { sum, sum_received } = json.end
    const bitsPerSecond = (sum_received ?? sum)!.bits_per_second
    return { bitsPerSecond, lostPercent: sum?.lost_percent ?? 0 }
  } finally {
    await serving.end()
  }
}
