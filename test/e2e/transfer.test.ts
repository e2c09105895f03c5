// Files through the echo service and through the router come back bit for bit, on a good link and on a bad one.

import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test'
import { createReadStream, createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { expectNothingLeaked, warmUp } from './support/checks.ts'
import { startIn, toolIn, untilBound } from './support/commands.ts'
import { describeE2e, isLong } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { B, createTopology, ROUTER_A } from './support/topology.ts'
import { requireTool } from '../support/tools.ts'

const FILE_MB = isLong ? 1024 : 64
/** On a bad link a transfer takes its time. */
const BAD_LINK_MB = isLong ? 1024 : 32
const LIMIT_MS = isLong ? 390_000 : 28_000
/** Reordering needs a delay to overtake in; times in microseconds. */
const BAD_LINK = { loss: 2, duplicate: 2, reorder: 2, delay: 500 }

const sha256 = async (path: string): Promise<string> => {
  const hasher = new Bun.CryptoHasher('sha256')
  for await (const chunk of createReadStream(path)) hasher.update(chunk)
  return hasher.digest('hex')
}

const writeRandom = async (path: string, megabytes: number): Promise<void> => {
  const out = createWriteStream(path)
  for (let i = 0; i < megabytes; i++) {
    const chunk = Buffer.alloc(1 << 20)
    for (let at = 0; at < chunk.length; at += 65536)
      crypto.getRandomValues(chunk.subarray(at, at + 65536))
    if (!out.write(chunk)) await new Promise((resolve) => out.once('drain', resolve))
  }
  await new Promise((resolve) => out.end(resolve))
}

describeE2e(import.meta.path, 'files through softnet', () => {
  let net: Topology
  let folder: string
  let before: Awaited<ReturnType<typeof warmUp>>
  const big = () => `${folder}/big`
  const small = () => `${folder}/small`
  const back = () => `${folder}/back`

  beforeAll(async () => {
    folder = mkdtempSync(`${tmpdir()}/softnet-e2e-`)
    await writeRandom(big(), FILE_MB)
    await writeRandom(small(), BAD_LINK_MB)
    net = await createTopology()
    before = await warmUp(net)
  })
  afterEach(async () => {
    for (const link of ['lan0', 'lan1'])
      await net.daemon.must('PATCH', `/v1/links/${link}`, {
        netem: { loss: 0, duplicate: 0, reorder: 0, delay: 0 },
      })
  })
  afterAll(async () => {
    await net?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const impair = async (link: string): Promise<void> => {
    await net.daemon.must('PATCH', `/v1/links/${link}`, { netem: BAD_LINK })
  }

  /** To the echo service and back. */
  const echo = async (file: string): Promise<void> => {
    const both = `OPEN:${file},rdonly!!CREATE:${back()}`
    const to = `TCP4:${ROUTER_A}:7`
    await toolIn(net.a, 'socat', ['-t', '60', '-b', '65536', both, to], LIMIT_MS)
    expect(await sha256(back())).toBe(await sha256(file))
  }
  /** From a to b, by way of the router. */
  const across = async (file: string): Promise<void> => {
    const socat = requireTool('socat')
    const argv = [socat, '-u', '-b', '65536', 'TCP4-LISTEN:4000', `CREATE:${back()}`]
    const receiver = startIn(net.b, argv, { limitMs: LIMIT_MS })
    try {
      await untilBound(net.b, 'tcp', 4000)
      const from = `OPEN:${file},rdonly`
      await toolIn(net.a, 'socat', ['-u', '-b', '65536', from, `TCP4:${B}:4000`], LIMIT_MS)
      expect((await receiver.result).status).toBe(0)
    } finally {
      await receiver.end()
    }
    expect(await sha256(back())).toBe(await sha256(file))
  }

  test(`${FILE_MB} MB to the echo service and back`, async () => {
    await echo(big())
    await expectNothingLeaked(net.daemon, before)
  })

  test(`${FILE_MB} MB from a to b`, async () => {
    await across(big())
    await expectNothingLeaked(net.daemon, before)
  })

  test(`${BAD_LINK_MB} MB to the echo service and back while softnet's link is bad`, async () => {
    await impair('lan0')
    await echo(small())
    expect(await net.daemon.dropped('LINK_IMPAIRED')).toBeGreaterThan(0)
    expect(await net.daemon.nstat('TcpRetransSegs')).toBeGreaterThan(0)
    await expectNothingLeaked(net.daemon, before)
  })

  test(`${BAD_LINK_MB} MB from a to b while the router's links are bad`, async () => {
    await impair('lan0')
    await impair('lan1')
    const lost = await net.daemon.dropped('LINK_IMPAIRED')
    await across(small())
    expect(await net.daemon.dropped('LINK_IMPAIRED')).toBeGreaterThan(lost)
    await expectNothingLeaked(net.daemon, before)
  })
})
