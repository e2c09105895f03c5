/** A process of the pool (pool.ts): plays the cases that it is sent, one at a time. It ends with the pool, whatever it does then. */
import { endWithParent } from '../workers/os/parent.ts'
import { type Case, play } from './play.ts'

endWithParent(Number(process.argv[2]))
process.on('message', async (each: Case) => {
  process.send!(await play(each))
})
process.on('disconnect', () => process.exit())
