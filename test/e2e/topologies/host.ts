// A host of a plan: a namespace of the kernel's, with what sends packets in it and keeps those that arrive.

import { createKernelNamespace } from '../../support/kernel-namespace.ts'
import { createProber } from './prober.ts'

export type Host = ReturnType<typeof createHost>

export const createHost = () => {
  const namespace = createKernelNamespace()
  const { enter } = namespace
  const prober = createProber(enter)
  /** As the namespace's, and options of `ip`, which a batch cannot have. */
  const run = async (line: string): Promise<string> => {
    if (!line.startsWith('ip -')) return namespace.run(line)
    enter()
    const env = { ...process.env, LC_ALL: 'C' }
    const { stdout, stderr } = Bun.spawnSync(line.split(' '), { env })
    return `${stdout}${stderr}`.trim()
  }
  const close = (): void => {
    prober.close()
    namespace.close()
  }
  return { ...namespace, ...prober, run, close }
}
