// What TCP needs of IP, over a route and a way out that a test makes itself: path MTUs and the routes that socks keep are
// the stack's own, and the rows of the family table have their family's numbers and the same way out.

import type { Flowi } from '../../core/base/flowi.ts'
import {
  AF_INET6_INFO,
  AF_INET_INFO,
  type AfInfo,
  type AfOps,
  byFamily,
} from '../../core/inet/af-ops.ts'
import { createDst } from '../../core/stack/dst.ts'
import type { Machine } from '../../core/stack/machine.ts'
import type { TcpInet } from '../../core/stack/tcp.ts'

type IpStub = Pick<AfOps, 'queueXmit' | 'send'> &
  Pick<TcpInet, 'addrType' | 'loadAddrs'> & { route: (fl: Flowi) => number }

export const createIpStub = (machine: Machine, stub: IpStub): TcpInet => {
  const { queueXmit, send, addrType, loadAddrs, route } = stub
  const row = (info: AfInfo): AfOps => ({
    ...info,
    queueXmit,
    send,
    reply: (skb, fl, proto) => send(skb, fl, proto, 0, 0, 0),
    hopLimit: () => 64,
    sendHeader: (skb, fl) => send(skb, fl, 0, 0, 0, 0),
    icmpOut: () => {},
    keepOptions: () => {},
    portUnreachable: () => {},
  })
  return {
    ...createDst(machine, route),
    afOps: byFamily(row(AF_INET_INFO), row(AF_INET6_INFO)),
    addrType,
    loadAddrs,
    sockConfirm: () => {},
  }
}
