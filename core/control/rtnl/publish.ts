/**
 * How a change reaches the workers, and how what went away is freed (Linux: RCU). Control writes shared memory,
 * raises G_GENERATION and wakes who sleeps; each thread copies the generation to its THREAD_ACK between
 * batches, when it holds nothing of the tables. When all have, the change is applied everywhere, and what it
 * took out may be used again. Control thread only; the clock is `pause`, which whoever runs the thread passes.
 */
import type { Arena } from '../../shm/arena.ts'
import { G_GENERATION, THREAD_ACK, THREAD_RUNNING, THREAD_WORDS } from '../../shm/layout.ts'
import type { IpiSystem } from '../../shm/ipi.ts'

type PublishDeps = {
  arena: Arena
  /** Resolves after a moment in which the threads have run. */
  pause: () => Promise<void>
} & Pick<IpiSystem, 'kick'>
export type Publisher = ReturnType<typeof createPublisher>

export const createPublisher = ({ arena, kick, pause }: PublishDeps) => {
  const { i32, layout } = arena
  const others = Array.from({ length: layout.threads }, (_, t) => t).filter(
    (t) => t !== layout.controlThread
  )
  const blockOf = (thread: number): number => layout.threadBlocks + thread * THREAD_WORDS
  const isRunning = (thread: number): boolean =>
    Atomics.load(i32, blockOf(thread) + THREAD_RUNNING) === 1
  const hasPassed = (thread: number, generation: number): boolean =>
    ((Atomics.load(i32, blockOf(thread) + THREAD_ACK) - generation) | 0) >= 0
  const isApplied = (generation: number): boolean =>
    others.every((thread) => !isRunning(thread) || hasPassed(thread, generation))

  const revision = (): number => Atomics.load(i32, G_GENERATION)

  /** What waits for readers, oldest first. */
  let limbo: { generation: number; reclaim: () => void }[] = []
  /** Calls `reclaim` once no reader can hold what is going away. */
  const retire = (reclaim: () => void): void => {
    // what is being changed now is published with the next generation
    limbo.push({ generation: (revision() + 1) | 0, reclaim })
  }
  /** Frees what no thread can hold any more. */
  const reclaim = (): void => {
    let done = 0
    let passed: number | null = null
    for (const { generation } of limbo) {
      if (((revision() - generation) | 0) < 0) break
      if (generation !== passed && !isApplied(generation)) break
      passed = generation
      done++
    }
    const ready = limbo.slice(0, done)
    limbo = limbo.slice(done)
    for (const entry of ready) entry.reclaim()
  }

  let next: Promise<number> | null = null
  /** Waits until all threads have passed the generation; the one that waits kicks. */
  const settle = async (generation: number): Promise<number> => {
    while (!isApplied(generation)) await pause()
    reclaim()
    return generation
  }
  /** Publishes what has been written so far, without waiting; its revision. */
  const raise = (): number => {
    const generation = (Atomics.add(i32, G_GENERATION, 1) + 1) | 0
    for (const thread of others) if (isRunning(thread)) kick(thread)
    return generation
  }
  /**
   * Publishes what has been written so far; resolves with its revision when every running thread works with
   * it. Changes made in one turn of the event loop share a generation.
   */
  const publish = (): Promise<number> => {
    next ??= Promise.resolve().then(() => {
      next = null
      return settle(raise())
    })
    return next
  }
  /** Workers that work with the generation. */
  const appliedBy = (generation: number): number[] =>
    others.filter((t) => t < layout.config.workers && isRunning(t) && hasPassed(t, generation))

  return { publish, raise, settle, appliedBy, retire, reclaim, revision }
}
