/**
 * A stack of threads of its own, as `softnet up` runs it, for the program that starts it: the program is an application of
 * it, on the main thread, and its control plane.
 */
import type { StackConfig } from '../../core/control/text/messages.ts'
import { createAppNet } from '../app/net.ts'
import { startDaemon } from '../daemon.ts'
import { createLog } from '../log.ts'

export type StackOptions = StackConfig & {
  workers?: number
  steering?: 'rps' | 'multiqueue'
  /** Built-in services on their ports; none unless asked for. */
  services?: Partial<Record<'echo' | 'discard' | 'chargen', boolean>>
}

const NO_SERVICES = { echo: false, discard: false, chargen: false, http: false }

/** Links, addresses and routes in iproute2's words; throws when they are refused. */
export const startStack = async (options: StackOptions = {}) => {
  const { workers = 1, steering = 'rps', services, ...config } = options
  const { control, attach, stop, failed } = await startDaemon({
    config: { ...config, services: { ...NO_SERVICES, ...services } },
    workers,
    steering,
    taps: [],
    demo: null,
    pin: false,
    debug: false,
    state: null,
    files: null,
    log: createLog(),
    hostApp: null,
    hostApi: null,
  })
  const { net, dgram, raw, message, close: leave } = createAppNet(attach())
  const close = async (): Promise<void> => {
    leave()
    await stop()
  }
  return {
    net,
    dgram,
    raw,
    message,
    control,
    /** Resolves, with why, when a thread that is not started again has died. */
    failed,
    close,
  }
}
