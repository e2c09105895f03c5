/**
 * The thread of the host's web server: attaches to the stack and serves a fetch function on port 80. Which one is told
 * by a path, imported here, so that workers/ needs to know nothing of api/. Entry of a Worker, started by workers/main.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { attachArena } from '../../core/shm/arena.ts'
import { announce, announceReady, textOf } from '../thread-data.ts'
import { createWake } from '../wake.ts'
import { createBell } from './doorbell.ts'
import { createEngine } from './engine.ts'
import { type HttpOptions, serveHttp } from './http.ts'
import { installWeb } from './http/response.ts'
import { AppListener, type ListenerOptions } from './listener.ts'
import { type AppThreadData, STOP } from './thread-data.ts'

/** What /sink takes. */
const MAX_BODY_BYTES = 10_000_000_000

const { config, buffer, id, thread, port, module, factory, options } = workerData as AppThreadData
const arena = attachArena(config, buffer)
// not all of net.ts: sockets in Node's shapes take two megabytes of their own
const engine = createEngine({
  arena,
  thread,
  wake: createWake(arena, id, thread),
  bell: createBell(id, thread, arena.layout.threads),
})
installWeb()
const tell = (error: unknown): void => announce({ error: textOf(error) })

const made = (await import(module))[factory](options) as { fetch: HttpOptions['fetch'] }
const http = serveHttp({
  net: {
    createListener: (options: ListenerOptions) => new AppListener(engine, options),
    bytes: engine.bytes,
  },
  port,
  fetch: (request, connection) => made.fetch(request, connection),
  maxBodyBytes: MAX_BODY_BYTES,
  onError: tell,
})
http.server.once('listening', () => announceReady())
http.server.on('error', tell)
// an error that nobody caught ends one request, not the others
process.on('uncaughtException', tell)
process.on('unhandledRejection', tell)

parentPort?.on('message', (message) => {
  if (message !== STOP) return
  engine.close()
  announce('stopped')
  parentPort?.close()
})
