// DNS by the package dns-socket, which knows nothing of softnet: it asks a dnsmasq of the kernel's side, over UDP and, by
// dns-packet, over TCP, and it answers a resolver of the kernel's.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { Resolver } from 'node:dns/promises'
import { createRequire } from 'node:module'
import { buffer } from 'node:stream/consumers'
import { KERNEL, OURS, type Stack, spawn, startBesideKernel } from '../support/beside-kernel.ts'
import { untilBound } from '../support/commands.ts'
import { describeE2e } from '../support/inside.ts'

type Question = { type: string; name: string }
type Message = { id?: number; type?: string; questions?: Question[]; answers?: Answer[] }
type Answer = Question & { data: unknown; ttl?: number }
type DnsSocket = {
  query: (
    query: object,
    port: number,
    host: string,
    done: (error: Error | null, answer: Message) => void
  ) => number
  on: (event: 'query', heard: (query: Message, port: number, host: string) => void) => void
  response: (query: Message, response: Message, port: number, host: string) => void
  bind: (port: number, done: () => void) => void
  destroy: (done?: () => void) => void
}
const require = createRequire(import.meta.url)
const DnsSocket = require('dns-socket') as new (options: object) => DnsSocket
const packet = require('dns-packet') as {
  streamEncode: (message: object) => Buffer
  streamDecode: (bytes: Buffer) => Message
}

const PORT = 53
const STRING = 'x'.repeat(200)
/** More than fits in a frame. */
const LONG = Array.from({ length: 15 }, () => STRING)

describeE2e(import.meta.path, 'DNS by dns-socket', () => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startBesideKernel()
  })
  afterAll(() => stack?.close())

  describe('as a client of dnsmasq', () => {
    let server: ReturnType<typeof spawn>
    beforeAll(async () => {
      const options = ['--no-daemon', '--conf-file=/dev/null', '--no-resolv', '--no-hosts']
      const listen = ['--bind-interfaces', `--listen-address=${KERNEL}`, '--edns-packet-max=4096']
      const records = ['--address=/host.test/192.0.2.7', `--txt-record=long.test,${LONG}`]
      server = spawn('dnsmasq', [...options, ...listen, ...records])
      await untilBound(process, 'udp', PORT)
    })
    afterAll(() => server?.kill())

    const withClient = async <T>(
      work: (ask: (query: object) => Promise<Message>) => Promise<T>
    ) => {
      const socket = stack.dgram.createSocket('udp4')
      const client = new DnsSocket({ socket })
      const ask = (query: object): Promise<Message> =>
        new Promise((resolve, reject) =>
          client.query(query, PORT, KERNEL, (error, answer) =>
            error ? reject(error) : resolve(answer)
          )
        )
      try {
        return await work(ask)
      } finally {
        await new Promise<void>((resolve) => client.destroy(resolve))
      }
    }

    test('many questions at once, each with its answer', () =>
      withClient(async (ask) => {
        const names = Array.from({ length: 64 }, (_, k) => `h${k}.host.test`)
        const answers = await Promise.all(
          names.map((name) => ask({ questions: [{ type: 'A', name }] }))
        )
        expect(answers.map(({ answers: [first] = [] }) => [first?.name, first?.data])).toEqual(
          names.map((name) => [name, '192.0.2.7'])
        )
      }))

    test('an answer that comes in fragments', () =>
      withClient(async (ask) => {
        const { answers } = await ask({
          questions: [{ type: 'TXT', name: 'long.test' }],
          additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 4096 }],
        })
        expect((answers![0]!.data as Buffer[]).map(String)).toEqual(LONG)
      }))

    test('over TCP', async () => {
      const question = { type: 'query', id: 1, questions: [{ type: 'TXT', name: 'long.test' }] }
      const socket = stack.net.connect({ port: PORT, host: KERNEL })
      socket.end(packet.streamEncode(question))
      const { answers } = packet.streamDecode(await buffer(socket))
      expect((answers![0]!.data as Buffer[]).map(String)).toEqual(LONG)
    })
  })

  test('as a server of a resolver of the kernel’s', async () => {
    const server = new DnsSocket({ socket: stack.dgram.createSocket('udp4') })
    server.on('query', (query, port, host) => {
      const answers = query.questions!.map(({ name }) => ({
        type: 'A',
        name,
        data: '192.0.2.9',
        ttl: 5,
      }))
      server.response(query, { questions: query.questions!, answers }, port, host)
    })
    await new Promise<void>((resolve) => server.bind(PORT, resolve))
    const resolver = new Resolver()
    resolver.setServers([OURS])
    const asked = Array.from({ length: 20 }, (_, k) => resolver.resolve4(`h${k}.test`))
    expect(await Promise.all(asked)).toEqual(Array.from({ length: 20 }, () => ['192.0.2.9']))
    await new Promise<void>((resolve) => server.destroy(resolve))
  })
})
