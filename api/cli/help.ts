/** What commands say of themselves, for what is made of it: completions and man pages. */
import type { Cli, Commands } from './cli.ts'

/** The help of a command, or of one of its objects; nothing of a program that writes to the terminal itself. */
export const helpOf = async (
  name: string,
  object: string | undefined,
  commands: Commands,
  cli: Cli
): Promise<string> => {
  const { run, usage, isProgram } = commands[name]!
  if (isProgram) return ''
  if (usage !== undefined) return `Usage: softnet ${name} ${usage}\n`
  let said = ''
  const heard = { ...cli, out: (text: string) => void (said += text) }
  await run(object === undefined ? ['--help'] : [object, 'help'], heard)
  return said
}
