/** A process of the pool (pool.ts): plays the cases that it is sent, one at a time. */
import { type Case, play } from './play.ts'

process.on('message', async (each: Case) => {
  process.send!(await play(each))
})
process.on('disconnect', () => process.exit())
