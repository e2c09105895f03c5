/**
 * The network of an application's thread, in Node's shapes: `net` and `dgram` over softnet's sockets. What npm packages
 * ask of node:net and node:dgram they can be given from here. Application thread only.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net'
import { AppRaw, type RawOptions } from './raw.ts'
import { AppDatagram, type DatagramOptions } from './datagram.ts'
import { createEngine, type EngineDeps } from './engine.ts'
import { AppMessageSocket, type MessageSocketOptions } from './message-socket.ts'
import { AppStreamSocket, type StreamSocketOptions } from './stream-socket.ts'
import { AppListener, type ListenerOptions } from './listener.ts'
import { AppServer, type ServerOptions } from './server.ts'
import { type ConnectArgs, readConnect } from './net-args.ts'
import { AppSocket, type SocketOptions } from './socket.ts'

export type AppNet = ReturnType<typeof createAppNet>

export const createAppNet = (deps: EngineDeps) => {
  const engine = createEngine(deps)
  /** A socket that is yet to connect. */
  const Socket: new (options?: SocketOptions) => AppSocket = class extends AppSocket {
    constructor(options: SocketOptions = {}) {
      super(engine, options)
    }
  }
  /** connect({ port, host }, onConnect?) or connect(port, host?, onConnect?); the host is an address, or a `lookup` finds it. */
  const connect = (...args: ConnectArgs): AppSocket => {
    const [options] = readConnect(args)
    const socket = new Socket(options as SocketOptions)
    if (options.timeout) socket.setTimeout(options.timeout)
    return socket.connect(...args)
  }
  const net = {
    /** createServer(options?, onConnection?) */
    createServer: (
      options: ServerOptions | ((socket: AppSocket) => void) = {},
      onConnection?: (socket: AppSocket) => void
    ): AppServer => {
      const server = new AppServer(engine, typeof options === 'function' ? {} : options)
      const listener = typeof options === 'function' ? options : onConnection
      if (listener !== undefined) server.on('connection', listener)
      return server
    },
    /** A listener whose connections are not given Node's shape. */
    createListener: (options: ListenerOptions = {}): AppListener =>
      new AppListener(engine, options),
    /** The memory that connections speak of. */
    bytes: engine.bytes,
    connect,
    createConnection: connect,
    Socket,
    isIP,
    isIPv4,
    isIPv6,
  }
  const dgram = {
    createSocket: (
      options: DatagramOptions | DatagramOptions['type'],
      onMessage?: (...args: unknown[]) => void
    ): AppDatagram => {
      const socket = new AppDatagram(
        engine,
        typeof options === 'string' ? { type: options } : options
      )
      if (onMessage !== undefined) socket.on('message', onMessage)
      return socket
    },
  }
  const raw = {
    createSocket: (options: RawOptions = {}): AppRaw => new AppRaw(engine, options),
  }
  const message = {
    /** A socket of datagrams by the calls of socket(2): promises, control messages, the error queue. */
    createSocket: (options: MessageSocketOptions = {}): Promise<AppMessageSocket> =>
      new AppMessageSocket(engine, options).open(),
    /** A stream, by the same and by listen and accept. */
    createStream: (options: StreamSocketOptions = {}): Promise<AppStreamSocket> =>
      new AppStreamSocket(engine, options).open(),
  }
  return {
    net,
    dgram,
    /** Raw, ping and packet sockets. */
    raw,
    message,
    /** Closes all sockets and leaves the stack. */
    close: engine.close,
    /** Sockets and listeners in use, for tests and gauges. */
    inUse: engine.sidsInUse,
    skbs: engine.skbs,
  }
}
