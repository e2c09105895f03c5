/** Options in letters, as nstat and sysctl take them. */
import { UsageError } from './cli.ts'
import { letters } from './words.ts'

/** The options among the arguments, as letters or --names, and the rest. */
export const splitOptions = (args: readonly string[], known: string, command: string) => {
  const on = new Set<string>()
  const rest: string[] = []
  for (const arg of args) {
    const given = letters(arg)
    if (given.length === 0) rest.push(arg)
    for (const letter of given) {
      if (!known.includes(letter)) throw new UsageError(`${command}: invalid option -- '${letter}'`)
      on.add(letter)
    }
  }
  return { on, rest }
}
