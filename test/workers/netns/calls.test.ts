import { expect, test } from 'bun:test'
import { createCalls } from '../../../workers/netns/calls.ts'

/** Two ends that hear what the other posts, a little later. */
const createPorts = () => {
  const heard: ((message: unknown) => void)[][] = [[], []]
  const end = (mine: number) => ({
    on: (_event: 'message', fn: (message: unknown) => void) => heard[mine]!.push(fn),
    postMessage: (message: unknown) =>
      queueMicrotask(() => {
        for (const fn of heard[1 - mine]!) fn(structuredClone(message))
      }),
  })
  return [end(0), end(1)] as const
}

test('each end calls the other, in any order, and is answered or hears the error', async () => {
  const [a, b] = createPorts()
  const slow = Promise.withResolvers<void>()
  const ofB = {
    slow: async (word: string) => {
      await slow.promise
      return `slow ${word}`
    },
    twice: (n: number) => {
      slow.resolve()
      return n * 2
    },
    fail: () => {
      throw new Error('no')
    },
  }
  const ofA = { name: () => 'a' }
  const callB = createCalls<typeof ofB>(a, ofA)
  const callA = createCalls<typeof ofA>(b, ofB)
  // other messages go by the same way
  a.postMessage('ready')
  const answers = [callB('slow', 'one'), callB('twice', 21)] as const
  expect(await Promise.all(answers)).toEqual(['slow one', 42])
  await expect(callB('fail')).rejects.toThrow('no')
  expect(await callA('name')).toBe('a')
})
