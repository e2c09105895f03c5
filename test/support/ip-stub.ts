// What TCP needs of IP, over a route and a way out that a test makes itself: path MTUs, the routes that socks keep, and
// the family table, whose rows have their family's numbers and the same way out.

import type { Flowi } from '../../core/base/flowi.ts'
import type { Time } from '../../core/base/time.ts'
import {
  AF_INET6_INFO,
  AF_INET_INFO,
  type AfInfo,
  type AfOps,
  byFamily,
} from '../../core/inet/af-ops.ts'
import { createPmtu } from '../../core/inet/pmtu.ts'
import { createSkDst } from '../../core/inet/sk-dst.ts'
import type { Arena } from '../../core/shm/arena.ts'

type IpStubDeps = Pick<AfOps, 'queueXmit' | 'send'> & {
  arena: Arena
  time: Time
  routeOutput: (fl: Flowi) => number
}

export const createIpStub = ({ arena, time, queueXmit, send, ...deps }: IpStubDeps) => {
  const { routeOutput, updatePmtu, pmtuSerial } = createPmtu({
    time,
    random: () => 1,
    routeOutput: deps.routeOutput,
    tellOthers: () => {},
  })
  const row = (info: AfInfo): AfOps => ({
    ...info,
    queueXmit,
    send,
    hopLimit: () => 64,
    portUnreachable: () => {},
  })
  return {
    routeOutput,
    updatePmtu,
    skDst: createSkDst({ arena, time, routeOutput, pmtuSerial }),
    afOps: byFamily(row(AF_INET_INFO), row(AF_INET6_INFO)),
  }
}
