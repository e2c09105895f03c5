/**
 * Loads a TCP server. A program of its own, run in a namespace; prints one line of JSON:
 * bun tcp-client.ts send|receive|requests|connections ADDRESS PORT SECONDS [CONNECTIONS]
 * send and receive: one stream of blocking calls. requests: 64 bytes there and back on each of the connections, again and
 * again. connections: each is opened, answered once, and closed by the client.
 */
import { block, check, libc, threadCpu } from '../../workers/os/libc.ts'
import { parseIpv4 } from '../../core/wire/text.ts'
import { monotonicUs } from '../../workers/os/clock.ts'
import { setCongestionControl } from './congestion.ts'

/** `count`: bytes, requests or connections. */
export type TcpLoad = { count: number; seconds: number; cpuUs: number }
export type TcpMode = 'send' | 'receive' | 'requests' | 'connections'

const AF_INET = 2
const SOCK_STREAM = 1
const MSG_NOSIGNAL = 0x4000
const CHUNK = 256 * 1024
const REQUEST = Buffer.alloc(64, 'x')

const connect = (address: string, port: number): number => {
  const fd = check(libc.socket(AF_INET, SOCK_STREAM, 0), 'socket')
  setCongestionControl(fd)
  const to = block(16)
  to.view.setUint16(0, AF_INET, true)
  to.view.setUint16(2, port)
  to.view.setInt32(4, parseIpv4(address)!)
  check(libc.connect(fd, to.at, 16), 'connect')
  return fd
}

const bulk = (mode: TcpMode, address: string, port: number, seconds: number): number => {
  const fd = connect(address, port)
  const { at } = block(CHUNK)
  const end = monotonicUs() + seconds * 1e6
  let count = 0
  while (monotonicUs() < end) {
    const n = mode === 'send' ? libc.send(fd, at, CHUNK, MSG_NOSIGNAL) : libc.recv(fd, at, CHUNK, 0)
    count += check(n, mode)
  }
  libc.close(fd)
  return count
}

const requests = async (hostname: string, port: number, seconds: number, clients: number) => {
  let count = 0
  const open = () =>
    Bun.connect<{ missing: number }>({
      hostname,
      port,
      data: { missing: REQUEST.length },
      socket: {
        open: (socket) => {
          socket.write(REQUEST)
        },
        data: (socket, data) => {
          socket.data.missing -= data.length
          if (socket.data.missing > 0) return
          count++
          socket.data.missing = REQUEST.length
          socket.write(REQUEST)
        },
      },
    })
  const sockets = await Promise.all(Array.from({ length: clients }, open))
  await Bun.sleep(seconds * 1000)
  const done = count
  for (const socket of sockets) socket.terminate()
  return done
}

const connections = async (hostname: string, port: number, seconds: number, clients: number) => {
  const end = performance.now() + seconds * 1000
  let count = 0
  const once = (): Promise<void> =>
    new Promise((resolve, reject) => {
      void Bun.connect({
        hostname,
        port,
        socket: {
          open: (socket) => {
            socket.write('x')
          },
          data: (socket) => {
            count++
            socket.end()
          },
          close: () => resolve(),
          connectError: (_socket, error) => reject(error),
        },
      })
    })
  const client = async (): Promise<void> => {
    while (performance.now() < end) await once()
  }
  await Promise.all(Array.from({ length: clients }, client))
  return count
}

const main = async (argv: string[]): Promise<void> => {
  const [mode, address = '', ...numbers] = argv as [TcpMode, string, ...string[]]
  const [port = 0, seconds = 0, clients = 64] = numbers.map(Number)
  const cpu = threadCpu()
  const start = monotonicUs()
  const count =
    mode === 'send' || mode === 'receive'
      ? bulk(mode, address, port, seconds)
      : await (mode === 'requests' ? requests : connections)(address, port, seconds, clients)
  const took = (monotonicUs() - start) / 1e6
  const { userUs, systemUs } = threadCpu()
  const cpuUs = userUs + systemUs - cpu.userUs - cpu.systemUs
  const load: TcpLoad = { count, seconds: took, cpuUs }
  console.log(JSON.stringify(load))
  process.exit()
}

if (import.meta.main) await main(process.argv.slice(2))
