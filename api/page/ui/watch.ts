/**
 * /v1/watch: changes as they happen. EventSource cannot send a token, so the stream is read by hand; it comes back by
 * itself and goes on where it was (Last-Event-ID).
 */
import { ask } from './api.ts'

export type Change = {
  kind: string
  event: string
  item: Record<string, unknown>
  revision: number
  at: Date
}
const AGAIN_MS = 2000

const readEvent = (text: string): { kind: string; id: string; data: string } => {
  const found: Record<string, string> = {}
  for (const line of text.split('\n')) {
    const colon = line.indexOf(': ')
    if (colon > 0) found[line.slice(0, colon)] = line.slice(colon + 2)
  }
  return { kind: found['event'] ?? '', id: found['id'] ?? '', data: found['data'] ?? '' }
}

export const watch = (kinds: readonly string[], onChange: (change: Change) => void): void => {
  let lastId = ''
  const follow = async (): Promise<void> => {
    const response = await ask(
      `/v1/watch?kinds=${kinds.join(',')}`,
      lastId === '' ? {} : { headers: { 'Last-Event-ID': lastId } }
    )
    if (!response.ok || response.body === null) return
    const decoder = new TextDecoder()
    const reader = response.body.getReader()
    let waiting = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      waiting += decoder.decode(value, { stream: true })
      const events = waiting.split('\n\n')
      waiting = events.pop() ?? ''
      for (const { kind, id, data } of events.map(readEvent)) {
        if (id !== '') lastId = id
        if (kind === '' || kind === 'resync') continue
        onChange({ kind, ...JSON.parse(data), at: new Date() } as Change)
      }
    }
  }
  const forEver = async (): Promise<void> => {
    await follow().catch(() => {})
    setTimeout(forEver, AGAIN_MS)
  }
  void forEver()
}
