/**
 * The network of an application's thread, in Node's shapes: `net` and `dgram` over softnet's sockets. What npm packages
 * ask of node:net and node:dgram they can be given from here. Application thread only.
 */
import { AppDatagram, type DatagramOptions } from './datagram.ts'
import { createEngine, type EngineDeps } from './engine.ts'
import { AppListener, type ListenerOptions } from './listener.ts'
import { AppServer, type ServerOptions } from './server.ts'
import { AppSocket, type ConnectArgs, type ConnectOptions, type SocketOptions } from './socket.ts'

export type AppNet = ReturnType<typeof createAppNet>

export const createAppNet = (deps: EngineDeps) => {
  const engine = createEngine(deps)
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
    /** connect({ port, host }, onConnect?) or connect(port, host?, onConnect?); the host is an address. */
    connect: (...args: ConnectArgs): AppSocket => {
      const options = typeof args[0] === 'number' ? {} : args[0]
      return new AppSocket(engine, options).connect(...(args as [ConnectOptions]))
    },
    /** A socket that is yet to connect. */
    createSocket: (options: SocketOptions = {}): AppSocket => new AppSocket(engine, options),
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
  return {
    net,
    dgram,
    /** Closes all sockets and leaves the stack. */
    close: engine.close,
    /** Sockets and listeners in use, for tests and gauges. */
    inUse: engine.sidsInUse,
    skbs: engine.skbs,
  }
}
