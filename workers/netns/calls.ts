/**
 * Calls between the control thread and that of the namespaces: the name of a function of the other's and what it takes, sent as a
 * message and answered by one. Both threads make one of these.
 */

/** A Worker, or its parentPort. */
type Port = {
  on: (event: 'message', fn: (message: unknown) => void) => unknown
  postMessage: (message: unknown) => void
}
type Functions = { readonly [name: string]: (...args: never[]) => unknown }
type Asked = { readonly call: number; readonly name: string; readonly args: readonly never[] }
type Answered = { readonly answer: number; readonly value?: unknown; readonly error?: string }

/** What the other has: each is answered later, or with the error that it threw. */
export type Caller<Theirs extends Functions> = <Name extends keyof Theirs & string>(
  name: Name,
  ...args: Parameters<Theirs[Name]>
) => Promise<Awaited<ReturnType<Theirs[Name]>>>

const isObject = (message: unknown): message is Partial<Asked & Answered> =>
  typeof message === 'object' && message !== null

/** Serves `ours`; returns how theirs are called. Messages that are no calls are somebody else's. */
export const createCalls = <Theirs extends Functions>(
  port: Port,
  ours: Functions
): Caller<Theirs> => {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let last = 0
  const serve = async ({ call, name, args }: Asked): Promise<void> => {
    try {
      port.postMessage({ answer: call, value: await ours[name](...args) } satisfies Answered)
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      port.postMessage({ answer: call, error: text } satisfies Answered)
    }
  }
  const take = ({ answer, value, error }: Answered): void => {
    const asked = waiting.get(answer)
    waiting.delete(answer)
    if (error === undefined) asked?.resolve(value)
    else asked?.reject(new Error(error))
  }
  port.on('message', (message) => {
    if (!isObject(message)) return
    if (message.call !== undefined) void serve(message as Asked)
    else if (message.answer !== undefined) take(message as Answered)
  })
  return (name, ...args) => {
    const answered = Promise.withResolvers<unknown>()
    waiting.set(++last, answered)
    port.postMessage({ call: last, name, args } as object)
    return answered.promise as never
  }
}
