/** The benches' own programs, run inside a namespace. */
import type { Background } from '../../test/e2e/support/commands.ts'
import { runIn, startIn, untilBound } from '../../test/e2e/support/commands.ts'
import type { Namespace } from '../../workers/os/netns.ts'

const argvOf = (program: string, args: readonly (string | number)[]): string[] => [
  process.execPath,
  `${import.meta.dir}/${program}.ts`,
  ...args.map(String),
]
const LONGEST_MS = 600_000

/** Runs one to its end; what it printed. */
export const runProgram = async <Said>(
  namespace: Namespace,
  program: string,
  args: readonly (string | number)[]
): Promise<Said> => {
  const { status, out, err } = await runIn(namespace, argvOf(program, args))
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: status ${status}: ${err}`)
  return JSON.parse(out) as Said
}

/** Starts one that serves a port. */
export const startServer = async (
  namespace: Namespace,
  program: string,
  args: readonly (string | number)[],
  protocol: 'tcp' | 'udp',
  port: number
): Promise<Background> => {
  const server = startIn(namespace, argvOf(program, args), {
    limitMs: LONGEST_MS,
    holdInput: true,
  })
  await untilBound(namespace, protocol, port)
  return server
}
