/**
 * The web server of softnet's own hosts: a small hono app that a host serves on its port 80 over softnet's TCP.
 * Who answers, a download of any size, a place to send bytes to, and an echo; enough to see a flow, its worker and its
 * rate. The server that runs it passes the connection in the env bindings.
 */
import { Hono } from 'hono'
import { html } from 'hono/html'

/** The connection a request came on, as the server's bindings. */
type HostConnection = {
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
  /** The worker that owns the connection. */
  readonly worker: number
}

type HostAppOptions = { readonly hostname: string }
type Env = { Bindings: Partial<HostConnection> }

export const MAX_BYTES = 10_000_000_000
const CHUNK_BYTES = 64 * 1024

/** Marsaglia's xorshift32: the same n gives the same bytes on every host, so that a receiver can check them. */
export const createByteSource = (seed = 0x2545f491) => {
  let state = seed | 0 || 1
  return (length: number): Uint8Array<ArrayBuffer> => {
    const words = new Int32Array((length + 3) >> 2)
    for (let i = 0; i < words.length; i++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      words[i] = state
    }
    return new Uint8Array(words.buffer, 0, length)
  }
}

const bytesStream = (total: number): ReadableStream<Uint8Array<ArrayBuffer>> => {
  const next = createByteSource()
  let left = total
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull(controller) {
        const length = Math.min(left, CHUNK_BYTES)
        if (length > 0) controller.enqueue(next(length))
        left -= length
        if (left === 0) controller.close()
      },
    },
    { highWaterMark: 0 }
  )
}

const countBody = async (body: ReadableStream<Uint8Array> | null): Promise<number> => {
  let bytes = 0
  if (body !== null) for await (const chunk of body) bytes += chunk.length
  return bytes
}

const whoami = (hostname: string, env: Partial<HostConnection> | undefined) => ({
  hostname,
  address: env?.localAddress ?? null,
  port: env?.localPort ?? null,
  worker: env?.worker ?? null,
  peer: { address: env?.remoteAddress ?? null, port: env?.remotePort ?? null },
})

const page = (who: ReturnType<typeof whoami>): string =>
  String(html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${who.hostname}</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 36rem; margin: 3rem auto; padding: 0 1rem }
dt { opacity: .65 } dd { margin: 0 0 .6rem; font-family: ui-monospace, monospace }
</style>
<h1>${who.hostname}</h1>
<p>This page was sent by softnet: a TCP/IP stack in TypeScript.</p>
<dl>
<dt>Address</dt><dd>${who.address ?? 'unknown'}:${who.port ?? ''}</dd>
<dt>Worker that owns this connection</dt><dd>${who.worker ?? 'unknown'}</dd>
<dt>You</dt><dd>${who.peer.address ?? 'unknown'}:${who.peer.port ?? ''}</dd>
</dl>
<p><a href="/whoami">/whoami</a>, <a href="/bytes/1000000">/bytes/1000000</a>,
POST <code>/sink</code>, <code>/echo</code></p>
</html>
`)

export const createHostApp = ({ hostname }: HostAppOptions): Hono<Env> => {
  const app = new Hono<Env>()
  // all that it says is of the connection; a text, of which hono makes an answer without a promise
  const pages = new WeakMap<object, string>()
  const pageFor = (connection: object): string => {
    const known = pages.get(connection)
    if (known !== undefined) return known
    const made = page(whoami(hostname, connection))
    pages.set(connection, made)
    return made
  }
  app.get('/', (c) => c.html(pageFor(c.env)))
  app.get('/whoami', (c) => c.json(whoami(hostname, c.env)))
  app.get('/bytes/:n{[0-9]+}', (c) => {
    const total = Number(c.req.param('n'))
    if (total > MAX_BYTES) return c.text(`at most ${MAX_BYTES} bytes\n`, 422)
    c.header('Content-Type', 'application/octet-stream')
    c.header('Content-Length', String(total))
    return total === 0 || c.req.method === 'HEAD' ? c.body(null) : c.body(bytesStream(total))
  })
  app.post('/sink', async (c) => c.json({ bytes: await countBody(c.req.raw.body) }))
  app.all('/echo', (c) => {
    const body = c.req.raw.body as ReadableStream<Uint8Array<ArrayBuffer>> | null
    if (body === null) {
      return c.json({ method: c.req.method, url: c.req.url, headers: c.req.header() })
    }
    c.header('Content-Type', c.req.header('Content-Type') ?? 'application/octet-stream')
    return c.body(body)
  })
  app.notFound((c) => c.text('not found\n', 404))
  app.onError((error, c) => c.text(`${error.message}\n`, 500))
  return app
}
