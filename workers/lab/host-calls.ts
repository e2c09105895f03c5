/**
 * Requests for the API of a simulated host, which lives on the lab thread: sent there as a message, answered by one. Both ends
 * of it: `createHostCalls` on the control thread, `answerHostCalls` on the lab's.
 */
import { parentPort, type Worker } from 'node:worker_threads'

export type HostCall = {
  readonly host: string
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}
export type HostAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}
type Ask = { readonly hostCall: number } & HostCall
type Answered = { readonly hostAnswer: number } & HostAnswer

export const createHostCalls = (worker: Worker) => {
  const waiting = new Map<number, (answer: HostAnswer) => void>()
  let last = 0
  worker.on('message', (news: Partial<Answered>) => {
    if (news.hostAnswer === undefined) return
    waiting.get(news.hostAnswer)?.(news as Answered)
    waiting.delete(news.hostAnswer)
  })
  return (call: HostCall): Promise<HostAnswer> =>
    new Promise((resolve) => {
      waiting.set(++last, resolve)
      worker.postMessage({ hostCall: last, ...call } satisfies Ask)
    })
}

export const answerHostCalls = (answer: (call: HostCall) => Promise<HostAnswer>): void => {
  parentPort?.on('message', (news: Partial<Ask>) => {
    if (news.hostCall === undefined) return
    void answer(news as Ask).then((said) =>
      parentPort?.postMessage({ hostAnswer: news.hostCall!, ...said } satisfies Answered)
    )
  })
}
