/**
 * The API of a simulated host, over its own control plane: the same app as the daemon's, which passes requests for
 * /v1/netns/NAME/... on to it (endpoints/netns.ts) and has checked by then who asks. Lab thread.
 */
import type { Control } from '../core/control/text/messages.ts'
import { createApp } from './app.ts'
import { VERSION } from './cli/version.ts'

export const createHostApi = (control: Control) => {
  const app = createApp({ control, version: VERSION })
  return (request: Request): Promise<Response> =>
    Promise.resolve(app.fetch(request, { listener: 'unix' }))
}
