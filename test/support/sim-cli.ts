// The command line's words to a simulated host (sim-host.ts): what `softnet ip ...` says of it.

import { createApp } from '../../api/app.ts'
import { run } from '../../api/cli/run.ts'
import type { SimHost } from '../../sim/net/sim-host.ts'

/** Runs lines of `ip`, `sysctl` and so on; what they say. */
export const createSimCli = (host: SimHost) => {
  const app = createApp({ control: { ...host.control, request: host.request }, version: 'sim' })
  return async (line: string): Promise<string> => {
    let said = ''
    const write = (text: string): void => {
      said += text
    }
    await run(line.split(' '), {
      fetch: async (path, init = {}) => app.request(path, init, { listener: 'unix' }),
      endpoint: '',
      env: {},
      out: write,
      err: write,
      json: false,
    })
    return line.startsWith('sysctl') ? said.replace(/^\S+ = .*\n$/, '').trim() : said.trim()
  }
}
