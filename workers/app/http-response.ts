/** Sends a web Response with node:http; its body is pulled only as fast as the peer takes it. Application thread. */
import type { IncomingMessage, ServerResponse } from 'node:http'

export const sendResponse = async (
  req: IncomingMessage,
  res: ServerResponse,
  response: Response
): Promise<void> => {
  const headers: string[] = []
  response.headers.forEach((value, name) => {
    headers.push(name, value)
  })
  const { body } = response
  const head = (length?: number): void => {
    if (length !== undefined) headers.push('content-length', String(length))
    res.writeHead(response.status, response.statusText || undefined, headers)
  }
  if (body === null || req.method === 'HEAD') {
    head()
    await body?.cancel()
    res.end()
    return
  }
  const reader = body.getReader()
  const first = await reader.read()
  const second = first.done ? Promise.resolve(first) : reader.read()
  // a body that is one chunk, as most are, needs no chunked coding; a stream is not kept waiting for its next
  const quick = response.headers.has('content-length')
    ? null
    : await Promise.race([second, nextTurn()])
  if (quick?.done) {
    head(first.value?.length ?? 0)
    res.end(first.value)
    return
  }
  head()
  await pump(reader, first, second, res)
}

type Chunk = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']>>

const nextTurn = (): Promise<null> => new Promise((resolve) => setImmediate(() => resolve(null)))

const pump = async (
  reader: ReadableStreamDefaultReader<Uint8Array>,
  first: Chunk,
  second: Promise<Chunk>,
  res: ServerResponse
): Promise<void> => {
  let drained = (): void => {}
  const wake = (): void => drained()
  res.on('drain', wake)
  res.once('close', wake)
  try {
    let next: Promise<Chunk> | null = second
    for (let chunk = first; !res.destroyed; chunk = await (next ?? reader.read()), next = null) {
      if (chunk.done) {
        res.end()
        return
      }
      if (res.write(chunk.value) || res.destroyed) continue
      await new Promise<void>((resolve) => {
        drained = resolve
      })
    }
    await reader.cancel()
  } catch (error) {
    // what was promised cannot be kept: the peer must see that the body is not whole
    res.destroy()
    throw error
  }
}
