/** The command line over the API over a control plane of its own: what is typed, what is printed. */
import { expect } from 'bun:test'
import { createApp } from '../../../api/app.ts'
import { run } from '../../../api/cli/run.ts'
import type { ArenaConfig } from '../../../core/shm/layout.ts'
import { makeControl } from '../../support/control-plane.ts'
import { holdExplained } from './problems.ts'

export const createSession = (config: Partial<ArenaConfig> = {}) => {
  const { control } = makeControl(config)
  const app = createApp({ control, version: '0.1.0' })
  const request = async (path: string, init: RequestInit = {}): Promise<Response> =>
    holdExplained(app, await app.request(path, init, { listener: 'unix' }))
  const cli = async (line: string): Promise<string> => {
    let said = ''
    const write = (text: string): void => {
      said += text
    }
    const status = await run(line.split(' '), {
      fetch: request,
      endpoint: '',
      env: {},
      out: write,
      err: write,
      json: false,
    })
    return status === 0 ? said : `${status}: ${said}`
  }
  const all = async (lines: string): Promise<void> => {
    for (const line of lines.trim().split('\n'))
      expect([line, await cli(line.trim())]).toEqual([line, ''])
  }
  return { request, cli, all }
}
