// The package ioredis, which knows nothing of softnet, at a redis-server of the kernel's side.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { Redis } from 'ioredis'
import { randomBytes, seeded } from '../../support/random.ts'
import { KERNEL, type Stack, spawn, startBesideKernel } from '../support/beside-kernel.ts'
import { untilBound } from '../support/commands.ts'
import { describeE2e } from '../support/inside.ts'

const PORT = 6379

describeE2e(import.meta.path, 'Redis by ioredis', () => {
  let stack: Stack
  let server: ReturnType<typeof spawn>
  beforeAll(async () => {
    stack = await startBesideKernel()
    const options = ['--port', `${PORT}`, '--bind', KERNEL, '--save', '', '--protected-mode', 'no']
    server = spawn('redis-server', options)
    await untilBound(process, 'tcp', PORT)
  })
  afterAll(async () => {
    server?.kill()
    await stack?.close()
  })

  /** What ioredis opens connections by. */
  class Connector {
    #connecting = true
    connect() {
      if (!this.#connecting) return Promise.reject(new Error('it is over'))
      return Promise.resolve(stack.net.connect({ port: PORT, host: KERNEL }))
    }
    disconnect(): void {
      this.#connecting = false
    }
    check(): boolean {
      return true
    }
  }
  const connect = (): Redis => new Redis({ Connector: Connector as never, lazyConnect: true })

  test('thousands of commands in a pipeline, and a long value', async () => {
    const redis = connect()
    await redis.connect()
    const pipeline = redis.pipeline()
    for (let k = 0; k < 5000; k++) pipeline.set(`key:${k}`, k).incr(`key:${k}`)
    const answers = await pipeline.exec()
    expect(answers).toHaveLength(10_000)
    expect(answers!.filter(([error]) => error !== null)).toEqual([])
    expect(answers!.at(-1)).toEqual([null, 5000])
    const long = Buffer.from(randomBytes(seeded(2), 8 << 20))
    await redis.set('long', long)
    expect(long.equals((await redis.getBuffer('long'))!)).toBe(true)
    await redis.quit()
  })

  test('what one publishes the other is told', async () => {
    const [one, other] = [connect(), connect()]
    await Promise.all([one.connect(), other.connect()])
    await other.subscribe('news')
    const told = new Promise((resolve) => other.once('message', (...said) => resolve(said)))
    expect(await one.publish('news', 'hello')).toBe(1)
    expect(await told).toEqual(['news', 'hello'])
    await Promise.all([one.quit(), other.quit()])
  })
})
