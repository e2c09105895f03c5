// README from top to bottom: each line of its shell blocks, as printed, by bash in the checkout, and what it should say. The
// tour of the demo goes twice, the second time as an ordinary user. What the README gains needs its line here.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../../bin/bootstrap.mjs'
import { runIn } from './support/commands.ts'
import { describeE2e } from './support/inside.ts'
import { requireTool, toolPath } from '../support/tools.ts'
import type { Namespace } from '../../workers/os/netns.ts'

const LIMIT_MS = 25_000
/** Our own namespaces, as a program's start wants them. */
const HERE = { pid: process.pid } as Namespace
/** Makes an ordinary user, with no rights, of us: whoever we are to the files. */
const ORDINARY = ['unshare', '--user', '--map-user=1000', '--map-group=1000']
/** Makes one who is already there of us. */
const sameAs = (pid: number): string[] => [
  'nsenter',
  `--user=/proc/${pid}/ns/user`,
  '--preserve-credentials',
]

/** What a line says before it ends, with status 0. */
const ENDS: Record<string, RegExp> = {
  'npx softnet exec -- ping -c 3 10.2.0.10': / 0% packet loss/,
  'npx softnet exec -- curl http://10.1.0.10/': /This page was sent by softnet/,
  'npx softnet memory': /^holder/m,
  'npx softnet softnet-stat': /time_squeeze/,
  'npx softnet ss -ti --netns shop': /cubic/,
  'npx softnet flows': /worker/i,
  'npx softnet config': /^\[\[link\]\]/m,
  'npx softnet trace -n 3 tcp port 80': /route/,
  "npx softnet trace --dry dev=lan0 'tcp 10.1.0.10:5000 > 10.2.0.10:80'": /sent by lan1/,
  'npx softnet ethtool -x lan1': /RX flow hash indirection table for lan1/,
  'npx softnet ethtool -X lan1 weight 0 1': /^$/,
  'curl http://127.0.0.1:7777/v1/tables/main/routes?format=iproute2': /"dst":"10.1.0.0\/24"/,
  [`curl --unix-socket \${XDG_RUNTIME_DIR:-/run}/softnet.sock -X PUT -H 'content-type: application/json' -d '{"gateway":"10.1.0.10"}' http://softnet/v1/tables/main/routes/192.0.2.0/24`]:
    /"192\.0\.2\.0\/24"/,
  'ip addr add 10.1.0.2/24 dev lan0': /^$/,
  'curl http://10.1.0.1/whoami': /10\.1\.0\.2/,
  [`curl --unix-socket /run/softnet.sock -X PUT -H 'content-type: application/json' -d '{"role":"downstream"}' http://softnet/v1/links/lan0/mvif`]:
    /downstream/,
  'npx softnet ip netns add blue': /^$/,
  'npx softnet ip link add to-blue up type veth peer name eth0 netns blue': /^$/,
  'npx softnet ip -n blue link set eth0 up': /^$/,
  'npx softnet ip addr add 10.3.0.1/24 dev to-blue': /^$/,
  'npx softnet ip -n blue addr add 10.3.0.2/24 dev eth0': /^$/,
  'npx softnet ip -n blue route add default via 10.3.0.1': /^$/,
  'ip route add 10.3.0.0/24 via 10.1.0.1': /^$/,
  'curl http://10.3.0.2/whoami': /"hostname":"blue","address":"10\.3\.0\.2"/,
  'npx softnet ip mroute': /^$/,
  'npx softnet ip maddr': /224\.0\.0\.1/,
  'npx softnet sysctl net.ipv6.conf.lan0.adv_rdnss=fd00:1::53 net.ipv6.conf.lan0.adv_link_mtu=1400':
    /adv_link_mtu = 1400/,
  'npx softnet sim --seeds 20': /20 seeds, 0 failed/,
  'npx softnet sysctl net.ipv6.conf.lan0.adv_send_advertisements=1': /adv_send_advertisements = 1/,
}
/** What a line says that goes on until it is ended. */
const GOES_ON: Record<string, RegExp> = {
  'npx softnet exec -- curl -o /dev/null http://10.2.0.11/bytes/1000000000': /^/,
  'npx softnet tcpdump -i any --drops tcp port 80': / IP \d/,
  'npx softnet tcpdump -w - | tshark -r -': /TCP|ICMP|UDP/,
  "curl -N 'http://127.0.0.1:7777/v1/watch?kinds=route,neigh&initial=1'": /event: synced/,
  'ping 10.1.0.1': /64 bytes from 10\.1\.0\.1/,
}
/** The daemons, and how each says that it is there. */
const STARTS: Record<string, RegExp> = {
  'npm start': /http:\/\/127\.0\.0\.1:7777/,
  'npx softnet up --workers 2 --tap lan0=10.1.0.1/24 --tap lan1=10.2.0.1/24': /7777/,
}
const NOT_HERE: Record<string, string> = {
  'npm test': 'this is a part of it',
  'npm run bench': 'takes minutes: test/bench',
}

/** Lines of the shell blocks, without comments, `&` and prompts; by the daemon that is there when they run. */
const lines = [
  ...(await Bun.file(join(root, 'README.md')).text()).matchAll(/^```sh\n(.*?)^```$/gms),
]
  .flatMap(([, block]) => block!.replaceAll(/\\\n\s*/g, '').split('\n'))
  .map((line) => line.replace(/\s+#.*$/, '').replace(/\s*&$/, ''))
  .filter((line) => line !== '')
const sessions = new Map<string, string[]>()
let daemonNow = ''
for (const line of lines) {
  if (line in STARTS) sessions.set((daemonNow = line), [])
  else if (!(line in NOT_HERE)) sessions.get(daemonNow)!.push(line)
}

test('every line of the README has its proof here, and there is no proof without a line', () => {
  const proven = [ENDS, GOES_ON, STARTS, NOT_HERE].flatMap(Object.keys)
  expect([...new Set(lines)].sort()).toEqual(proven.sort())
})

describeE2e(import.meta.path, 'README', () => {
  beforeAll(async () => {
    for (const tool of ['curl', 'ip', 'mount', 'ping', 'tshark', 'unshare'] as const)
      requireTool(tool)
    // a /run of our own, where root's socket is
    expect(await runIn(HERE, ['mount', '-t', 'tmpfs', 'none', '/run'])).toMatchObject({ status: 0 })
  })

  describe.each([
    ['root', 'npm start'],
    ['an ordinary user', 'npm start'],
    ['root', 'npx softnet up --workers 2 --tap lan0=10.1.0.1/24 --tap lan1=10.2.0.1/24'],
  ])('as %s: %s', (who, daemon) => {
    const folder = mkdtempSync(join(tmpdir(), 'softnet-readme-'))
    const isOrdinary = who !== 'root'
    const env: Record<string, string | undefined> = {
      ...process.env,
      PATH: toolPath(),
      LC_ALL: 'C',
      SOFTNET_API: '',
      XDG_RUNTIME_DIR: isOrdinary ? folder : undefined,
    }
    /** Starts a line; `said` is all that it has said, and end() ends it, and what it has started with it. */
    const start = (line: string, as: readonly string[]) => {
      const child = Bun.spawn([...as, 'bash', '-c', `set -o pipefail; ${line}`], {
        cwd: root,
        env,
        stdin: 'ignore',
        stdout: 'pipe',
        stderr: 'pipe',
        detached: true,
      })
      let said = ''
      const read = async (from: ReadableStream<Uint8Array>) => {
        const decoder = new TextDecoder()
        for await (const bytes of from) said += decoder.decode(bytes, { stream: true })
      }
      const reading = Promise.all([read(child.stdout), read(child.stderr)])
      const end = async (): Promise<void> => {
        if (child.exitCode === null) process.kill(-child.pid, 'SIGTERM')
        await reading
      }
      const ended = reading.then(() => child.exited)
      return { pid: child.pid, said: () => said, ended, end }
    }
    const untilSaid = async ({ said }: { said: () => string }, wanted: RegExp): Promise<void> => {
      const deadline = performance.now() + LIMIT_MS
      while (!wanted.test(said()) && performance.now() < deadline) await Bun.sleep(20)
      expect(said()).toMatch(wanted)
    }

    let running: ReturnType<typeof start>
    const besides: ReturnType<typeof start>[] = []
    beforeAll(async () => {
      running = start(daemon, isOrdinary ? ORDINARY : [])
      await untilSaid(running, STARTS[daemon]!)
    })
    afterAll(async () => {
      for (const one of besides) await one.end()
      await running.end()
      rmSync(folder, { recursive: true })
    })

    test.each(sessions.get(daemon)!)('%s', async (line) => {
      const one = start(line, isOrdinary ? sameAs(running.pid) : [])
      const ends = ENDS[line]
      if (ends === undefined) {
        besides.push(one)
        return await untilSaid(one, GOES_ON[line]!)
      }
      expect([await one.ended, one.said()]).toEqual([0, expect.stringMatching(ends)])
    })
  })
})
