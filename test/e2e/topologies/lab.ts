// A plan that has been built: the kernel's way (kernel-lab.ts), where each node is a namespace, or softnet's
// (softnet-lab.ts), where the routers are softnet's.

import type { Host } from './host.ts'
import type { Member } from './plan.ts'

export type Lab = {
  hosts: ReadonlyMap<string, Host>
  /** Runs a line of a node's; what it says, which is nothing when all went well. */
  run: (node: string, line: string) => Promise<string>
  /** What is under way goes on its way. */
  pump: () => void
  close: () => void
}

/** The devices of a node. */
export const devicesOf = (networks: readonly (readonly Member[])[], node: string): Member[] =>
  networks.flat().filter((member) => member.node === node)

/** Runs lines that nobody may refuse. */
export const must = async (lab: Pick<Lab, 'run'>, node: string, line: string): Promise<void> => {
  const said = await lab.run(node, line)
  if (said !== '') throw new Error(`${node}: ${line}: ${said}`)
}
