/**
 * Answers that never end, on their way from a namespace's API to the control thread: what has come since it was last asked for goes
 * over in one piece. A reader who is slow is its endpoint's to judge, which sees that nothing is taken. Thread of the namespaces.
 */

/** Octets of one answer that wait to be asked for: an endpoint has bounds of its own before these. */
const MAX_WAITING = 256 * 1024

type Stream = {
  readonly net: object
  readonly next: () => Promise<Uint8Array | null>
  readonly cancel: () => Promise<void>
}

const createStream = (net: object, body: ReadableStream<Uint8Array>): Stream => {
  const reader = body.getReader()
  let waiting: Uint8Array[] = []
  let size = 0
  let isOver = false
  let changed = Promise.withResolvers<void>()
  const change = (): void => {
    changed.resolve()
    changed = Promise.withResolvers<void>()
  }
  const read = async (): Promise<void> => {
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        waiting.push(value)
        size += value.length
        change()
        while (size >= MAX_WAITING && !isOver) await changed.promise
      }
    } finally {
      isOver = true
      change()
    }
  }
  const finished = read()
  // whoever asks next hears it
  finished.catch(() => {})
  return {
    net,
    async next() {
      while (size === 0 && !isOver) await changed.promise
      if (size === 0) return finished.then(() => null)
      const piece = new Uint8Array(size)
      let at = 0
      for (const part of waiting) {
        piece.set(part, at)
        at += part.length
      }
      waiting = []
      size = 0
      change()
      return piece
    },
    async cancel() {
      isOver = true
      change()
      await reader.cancel().catch(() => {})
    },
  }
}

export const createStreams = () => {
  const streams = new Map<number, Stream>()
  let last = 0
  /** Its number, by which it is asked for. */
  const add = (net: object, body: ReadableStream<Uint8Array>): number => {
    streams.set(++last, createStream(net, body))
    return last
  }
  const cancel = async (id: number): Promise<void> => {
    const stream = streams.get(id)
    streams.delete(id)
    await stream?.cancel()
  }
  /** What has come, as soon as there is something; null: that was all. */
  const next = async (id: number): Promise<Uint8Array | null> => {
    const piece = (await streams.get(id)?.next()) ?? null
    if (piece === null) streams.delete(id)
    return piece
  }
  /** A namespace that goes says no more. */
  const end = async (net: object): Promise<void> => {
    for (const [id, stream] of streams) if (stream.net === net) await cancel(id)
  }
  return { add, next, cancel, end }
}
