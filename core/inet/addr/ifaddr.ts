/**
 * Interface addresses, made of their parts: the rows (ifaddr-held.ts), the routes that come with them (-routes), how they enter and leave
 * (-table), whether they are tried first and what came of it (-trials, -verdicts), those that change (-temporary), and what happens
 * as devices go up and down (-devices). Control thread only; source.ts reads the rows on the path.
 */
import type { Rib } from '../../control/rib/rib.ts'
import { createIfaddrDevices } from './ifaddr-devices.ts'
import {
  createHeldAddrs,
  type Held,
  type HeldDeps,
  type HeldEvent,
  type Ifaddr,
} from './ifaddr-held.ts'
import { createIfaddrRoutes, type IfaddrRoutesDeps } from './ifaddr-routes.ts'
import { createIfaddrTable, type IfaddrTableDeps } from './ifaddr-table.ts'
import { createTemporaryAddrs } from './ifaddr-temporary.ts'
import { createIfaddrTrials } from './ifaddr-trials.ts'
import { createIfaddrVerdicts } from './ifaddr-verdicts.ts'

export type IfaddrDeps = {
  random: () => number
  rib: Pick<Rib, 'add' | 'remove' | 'flush'>
  /** control/tables.ts: joins groups, and tells watchers. */
  onEvent: (event: 'new' | 'changed' | 'del', address: Ifaddr) => void
} & Pick<IfaddrTableDeps, 'onFamilyEnd'> &
  HeldDeps &
  Omit<IfaddrRoutesDeps, 'list'>
export type Ifaddrs = ReturnType<typeof createIfaddrs>

export const createIfaddrs = (deps: IfaddrDeps) => {
  const { arena, onEvent } = deps
  const held = createHeldAddrs(deps)
  const { list, seen } = held
  const onChanged = (at: Held): void => onEvent('changed', seen(at))
  const routes = createIfaddrRoutes({ ...deps, list })
  const trials = createIfaddrTrials({ arena, onChanged, ...held, ...routes })
  const onHeld = (event: HeldEvent, at: Held): void => temporary.follow(event, at)
  const table = createIfaddrTable({ ...deps, held, routes, onHeld, ...trials })
  const { enter, drop, ...rest } = table
  const temporary = createTemporaryAddrs({ ...deps, ...held, enter, drop, onChanged })
  const devices = createIfaddrDevices({ ...deps, routes, ...table, ...trials, list })
  const verdicts = createIfaddrVerdicts({
    arena,
    onChanged,
    ...held,
    ...routes,
    ...devices,
    ...temporary,
    enter,
    drop,
  })
  /** What has had its time goes, and is replaced before. */
  const expire = (): void => {
    temporary.replace()
    table.expire()
  }
  return { ...rest, ...devices, ...verdicts, expire }
}
