/** Processes that play cases side by side (child.ts). One that comes to no end is ended, and the case has failed. */
import { availableParallelism } from 'node:os'
import { programArgv } from '../workers/modules.ts'
import { type Case, knobsOf, type Verdict } from './play.ts'

/** Real time; cases take a fraction of a second, but those that are told to have very many rounds. */
const HUNG_MS = 180_000
const ROUND_MS = 2000

export type Pool = ReturnType<typeof createPool>

/** A process, and who waits for its answer. */
const createChild = () => {
  let answer: (verdict: Verdict) => void = () => {}
  let isPlaying = false
  const process_ = Bun.spawn([...programArgv('sim/child.ts'), `${process.pid}`], {
    stdio: ['ignore', 'inherit', 'inherit'],
    ipc: (verdict: Verdict) => answer(verdict),
    onExit: (_child, code, signal) =>
      answer({
        fault: { kind: 'threw', text: `the process ended (${signal ?? code})` },
        figures: {},
      }),
  })
  const play = async (each: Case): Promise<Verdict> => {
    const { promise, resolve } = Promise.withResolvers<Verdict>()
    answer = resolve
    isPlaying = true
    const timer = setTimeout(
      () => {
        resolve({ fault: { kind: 'hung', text: 'comes to no end' }, figures: {} })
        process_.kill('SIGKILL')
      },
      HUNG_MS + ROUND_MS * knobsOf(each).rounds
    )
    process_.send(each)
    const verdict = await promise
    clearTimeout(timer)
    isPlaying = false
    return verdict
  }
  return {
    play,
    isGone: (): boolean => process_.exitCode !== null || process_.killed,
    isPlaying: (): boolean => isPlaying,
    end: (): void => process_.kill(),
  }
}

export const createPool = (jobs = availableParallelism()) => {
  let children = Array.from({ length: jobs }, createChild)
  const waiting: ((child: ReturnType<typeof createChild>) => void)[] = []
  const free = [...children]
  const take = async () => {
    const child = free.pop()
    return child ?? (await new Promise<ReturnType<typeof createChild>>((on) => waiting.push(on)))
  }
  const give = (child: ReturnType<typeof createChild>): void => {
    let back = child
    if (child.isGone()) {
      back = createChild()
      children = children.map((each) => (each === child ? back : each))
    }
    const next = waiting.shift()
    if (next === undefined) free.push(back)
    else next(back)
  }
  const play = async (each: Case): Promise<Verdict> => {
    const child = await take()
    const verdict = await child.play(each)
    give(child)
    return verdict
  }
  const close = (): void => {
    for (const child of children) child.end()
  }
  return { jobs, play, close }
}
