// Two hosts made by the same lines: a namespace that has the kernel's stack, and a softnet daemon. Each has lan0 and lan1,
// which lead to a peer namespace of its own, where the same programs say the same things; so the real tools in the one and
// softnet's in the other are asked about the same state.
//
//   [kernel]   lan0, lan1 --- veth --- eth0, eth1  peer
//   [softnet]  lan0, lan1 --- TAP  --- eth0, eth1  peer

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Fetch } from '../../../api/cli/cli.ts'
import { run } from '../../../api/cli/run.ts'
import { createNamespace, type Namespace } from '../../../workers/os/netns.ts'
import { requireTool } from '../../support/tools.ts'
import { runIn, startIn } from '../support/commands.ts'
import { startDaemon } from '../support/daemon.ts'
import { kind } from '../support/topology.ts'

/** A host: what a line of a shell says there. */
export type Host = {
  readonly name: 'kernel' | 'softnet'
  /** Runs the tools, a line each: what each said, and how it ended. */
  ask(lines: readonly string[]): Promise<string[]>
  /** Begins one that tells of changes; what it has said so far. */
  monitor(line: string): Promise<() => Promise<string>>
  readonly peer: Namespace
}

const LANS = [0, 1] as const
/** The namespace of the test. */
const HERE = { pid: process.pid } as Namespace
/** What the kernel would ask of its own accord, at times of its own. */
const QUIET = ['accept_ra', 'autoconf', 'router_solicitations', 'accept_dad', 'dad_transmits']

/** Files of /proc are files to the one, and resources of the API to the other. */
const CAT = 'cat /'

const shell = async (namespace: Namespace, line: string): Promise<string> => {
  const { status, out, err } = await runIn(namespace, ['sh', '-c', line])
  if (status !== 0) throw new Error(`${line}: ${out}${err}`)
  return out
}

/** The other side of both links: the same in both worlds, as far as a TAP is like a veth. */
const setUpPeer = async (peer: Namespace): Promise<void> => {
  await shell(peer, 'sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0')
  for (const n of LANS) {
    const set = QUIET.map((name) => `net.ipv6.conf.eth${n}.${name}=0`).join(' ')
    await shell(peer, `sysctl -qw ${set}; ip link set eth${n} address 02:00:00:00:0${n}:01 up`)
    await shell(peer, `ip addr add 10.0.${n}.1/24 dev eth${n}`)
    await shell(peer, `ip addr add 2001:db8:${n}::1/64 dev eth${n} nodad`)
  }
}

const createKernel = async (
  closers: (() => unknown)[],
  scratch: string
): Promise<Host & { at: Namespace }> => {
  const [host, peer] = await Promise.all(
    ['kernel', 'kernel-peer'].map((name) => createNamespace({ name, device: 'none' }))
  )
  closers.push(host!.close, peer!.close)
  // names of namespaces are files there
  await shell(host!, 'mount -t tmpfs none /run')
  const quiet = QUIET.map((name) => `net.ipv6.conf.default.${name}=0`).join(' ')
  await shell(host!, `sysctl -qw ${quiet} net.ipv4.tcp_congestion_control=reno`)
  for (const n of LANS) {
    const mac = `02:00:00:00:0${n}:fe`
    const end = `ip link add lan${n} index ${n + 2} address ${mac} numtxqueues 1 numrxqueues 1 type veth`
    await shell(host!, `${end} peer name eth${n} netns ${peer!.pid}`)
  }
  await setUpPeer(peer!)
  const ask = async (lines: readonly string[]): Promise<string[]> => {
    const script = [
      `export NSTAT_HISTORY=${scratch}/kernel\n`,
      ...lines.map((line) => `${line} 2>&1; printf 'exit %d\\1' $?\n`),
    ].join('')
    return (await shell(host!, script)).split('\x01').slice(0, -1)
  }
  let monitors = 0
  const monitor = async (line: string): Promise<() => Promise<string>> => {
    const said = join(scratch, `monitor-${++monitors}`)
    const program = startIn(host!, ['sh', '-c', `exec ${line} > ${said}`], { limitMs: 60_000 })
    closers.push(program.end)
    // its socket has groups that it is in
    const listening = (): Promise<string> =>
      shell(host!, `awk 'NR > 1 && $4 != "00000000"' /proc/net/netlink | wc -l`)
    while (Number(await listening()) < monitors) await Bun.sleep(20)
    return () => Bun.file(said).text()
  }
  return { name: 'kernel', ask, monitor, peer: peer!, at: host! }
}

const CONFIG = LANS.map(
  (n) => `
[[link]]
name = "lan${n}"
kind = "${kind}"
address = "02:00:00:00:0${n}:fe"
up = false
`
)
  .join('')
  .concat('[sysctl]\n"net.ipv4.tcp_congestion_control" = "reno"\n')
  .concat('[services]\necho = true\ndiscard = false\nchargen = false\nhttp = false\n')

const createSoftnet = async (closers: (() => unknown)[], scratch: string): Promise<Host> => {
  const peer = await createNamespace({ name: 'softnet-peer', device: 'none' })
  closers.push(peer.close)
  if (kind === 'packet')
    for (const n of LANS)
      await shell(HERE, `ip link add lan${n} up type veth peer name eth${n} netns ${peer.pid}`)
  const daemon = await startDaemon({ config: CONFIG, workers: 1 })
  closers.push(() => daemon.stop())
  if (kind === 'tap')
    for (const n of LANS) await shell(HERE, `ip link set lan${n} netns ${peer.pid} name eth${n}`)
  await setUpPeer(peer)
  const askOne = async (line: string): Promise<string> => {
    let said = ''
    const write = (text: string): void => {
      said += text
    }
    const ask: Fetch = (path, init) =>
      fetch(`http://softnet${path}`, { ...init, unix: daemon.unix })
    if (line.startsWith(CAT))
      return `${await (await ask(`/v1/${line.slice(CAT.length)}`)).text()}exit 0`
    const status = await run(line.split(' '), {
      fetch: ask,
      endpoint: '',
      env: { NSTAT_HISTORY: join(scratch, 'nstat') },
      out: write,
      err: write,
      json: false,
    })
    return `${said}exit ${status}`
  }
  const ask = async (lines: readonly string[]): Promise<string[]> => {
    const said: string[] = []
    for (const line of lines) {
      said.push(await askOne(line))
    }
    return said
  }
  const monitor = async (line: string): Promise<() => Promise<string>> => {
    let said = ''
    const write = (text: string): void => {
      said += text
    }
    const listening = Promise.withResolvers<void>()
    const over = new AbortController()
    closers.push(() => over.abort())
    const ask: Fetch = async (path, init) => {
      const { signal } = over
      const answer = await fetch(`http://softnet${path}`, { ...init, signal, unix: daemon.unix })
      listening.resolve()
      return answer
    }
    const env = {}
    const io = { fetch: ask, endpoint: '', env, out: write, err: () => {}, json: false }
    void run(line.split(' '), io).catch(() => {})
    await listening.promise
    return async () => said
  }
  return { name: 'softnet', ask, monitor, peer }
}

/** What softnet has of its own: an echo of each protocol and family. */
const ECHOS = [4, 6].flatMap((v) => [
  `TCP${v}-LISTEN:7,fork,reuseaddr,backlog=4096${v === 6 ? ',ipv6only=1' : ''}`,
  `UDP${v}-RECVFROM:7,fork${v === 6 ? ',ipv6only=1' : ''}`,
])
/** Connections that the peers open, say a line by, and keep. */
const CALLS = ['TCP4:10.0.0.254:7,sourceport=40001', 'TCP6:[2001:db8::fe]:7,sourceport=40002']
const LINE = 'hello, world\n'

export type World = Awaited<ReturnType<typeof createWorld>>

export const createWorld = async () => {
  const closers: (() => unknown)[] = []
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  const scratch = mkdtempSync(join(tmpdir(), 'softnet-tools-'))
  closers.push(() => rmSync(scratch, { recursive: true }))
  try {
    const kernel = await createKernel(closers, scratch)
    const softnet = await createSoftnet(closers, scratch)
    /** The same lines to both, which have to take them in silence. */
    const both = async (lines: readonly string[]): Promise<void> => {
      for (const host of [kernel, softnet]) {
        const said = await host.ask(lines)
        const refused = lines.map((line, i) => `${host.name}: ${line}: ${said[i]}`)
        const wrong = refused.filter((_, i) => said[i] !== 'exit 0')
        if (wrong.length > 0) throw new Error(wrong.join('\n'))
      }
    }
    /** Both have an echo, and connections to it from their peers which have had their answer. */
    const talk = async (): Promise<void> => {
      const socat = requireTool('socat')
      const said = join(scratch, 'said')
      writeFileSync(said, LINE)
      const start = (host: Namespace, ...args: string[]): void => {
        const program = startIn(host, [socat, ...args], { limitMs: 60_000 })
        closers.push(program.end)
      }
      for (const echo of ECHOS) start(kernel.at, echo, 'EXEC:cat')
      // of both protocols and both families
      const bound = (): Promise<string> => shell(kernel.at, 'ss -Htuln sport = :7')
      while ((await bound()).split('\n').length <= ECHOS.length) await Bun.sleep(20)
      for (const { peer } of [kernel, softnet])
        for (const call of CALLS) start(peer, `OPEN:${said},ignoreeof!!STDOUT`, call)
      const isThere = async ({ ask }: Host): Promise<boolean> => {
        const [text = ''] = await ask(['ss -tni state established'])
        return text.split(`bytes_received:${LINE.length}`).length === CALLS.length + 1
      }
      for (const host of [kernel, softnet]) while (!(await isThere(host))) await Bun.sleep(20)
    }
    return { kernel, softnet, scratch, both, talk, close }
  } catch (error) {
    await close()
    throw error
  }
}
