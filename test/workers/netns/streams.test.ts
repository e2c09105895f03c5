import { expect, test } from 'bun:test'
import { createStreams } from '../../../workers/netns/streams.ts'

/** A body that says what it is told to, and whether its reader has gone. */
const createBody = () => {
  let controller: ReadableStreamDefaultController<Uint8Array>
  let isGone = false
  const body = new ReadableStream<Uint8Array>(
    {
      start(its) {
        controller = its
      },
      cancel() {
        isGone = true
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: 1000 })
  )
  return {
    body,
    say: (text: string) => controller.enqueue(new TextEncoder().encode(text)),
    close: () => controller.close(),
    fail: () => controller.error(new Error('no')),
    room: () => controller.desiredSize!,
    isGone: () => isGone,
  }
}
const net = {}
const turn = () => new Promise((resolve) => setImmediate(resolve))
const text = (piece: Uint8Array | null) => piece && new TextDecoder().decode(piece)

test('what has come since the last piece is one piece, and the end comes behind it', async () => {
  const streams = createStreams()
  const { body, say, close } = createBody()
  const id = streams.add(net, body)
  const first = streams.next(id)
  say('one')
  expect(text(await first)).toBe('one')
  say('two ')
  say('three')
  close()
  await turn()
  expect(text(await streams.next(id))).toBe('two three')
  expect(await streams.next(id)).toBeNull()
  expect(await streams.next(id)).toBeNull()
})

test('what nobody asks for stays with who says it, beyond a bound', async () => {
  const streams = createStreams()
  const { body, say, room } = createBody()
  const id = streams.add(net, body)
  say('x'.repeat(256 * 1024))
  await turn()
  expect(room()).toBe(1000)
  say('y'.repeat(1000))
  await turn()
  expect(room()).toBe(0)
  expect((await streams.next(id))!.length).toBe(256 * 1024)
  await turn()
  expect(room()).toBe(1000)
  expect((await streams.next(id))!.length).toBe(1000)
})

test('who says it hears that its reader has gone, or that its namespace has', async () => {
  const streams = createStreams()
  const [left, ended, other] = [createBody(), createBody(), createBody()]
  const [of1, of2] = [streams.add(net, left.body), streams.add(net, ended.body)]
  const of3 = streams.add({}, other.body)
  const waiting = [streams.next(of1), streams.next(of2)]
  await streams.cancel(of1)
  expect([left.isGone(), ended.isGone()]).toEqual([true, false])
  await streams.end(net)
  expect(ended.isGone()).toBe(true)
  expect(await Promise.all(waiting)).toEqual([null, null])
  other.say('still here')
  expect(text(await streams.next(of3))).toBe('still here')
})

test('one that breaks off is no end', async () => {
  const streams = createStreams()
  const { body, fail } = createBody()
  const id = streams.add(net, body)
  fail()
  await turn()
  await expect(streams.next(id)).rejects.toThrow('no')
  await streams.cancel(id)
})
