/** Raw and ping sockets of a stack, both families': protocols of the socket layer beside the transports. */
import { AF_INET, AF_INET6 } from '../base/family.ts'
import { AF_INET6_INFO, AF_INET_INFO, byFamily } from '../inet/af-ops.ts'
import { SOCK_DGRAM, SOCK_RAW } from '../socket/sock.ts'
import { ANY_PROTOCOL } from '../socket/sockets.ts'
import { createPingInput } from '../transport/ping/ping-input.ts'
import { createPingSock } from '../transport/ping/ping-sock.ts'
import { createPingTable } from '../transport/ping/ping-table.ts'
import { createRawInput } from '../transport/raw/raw-input.ts'
import { createRawOutput } from '../transport/raw/raw-output.ts'
import { createRawSock } from '../transport/raw/raw-sock.ts'
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from '../wire/ipproto.ts'
import { createDgramErr } from '../transport/dgram-err.ts'
import { createKeepError } from '../transport/keep-error.ts'
import { createDgramFlow } from '../transport/dgram-flow.ts'
import type { Inet } from './inet.ts'
import type { Machine } from './machine.ts'
import type { SocketLayer } from './sockets.ts'

export const createRaw = (machine: Machine, inet: Inet, layer: SocketLayer): void => {
  const { arena, thread } = machine
  const { sockets, owned } = layer
  const { sockEvents } = sockets
  const { icmpError, mayHear, tooLong } = createDgramErr({
    ...machine,
    ...inet,
    ...createKeepError({ ...machine, ...inet, ...layer }),
    ...layer,
    sockEvents,
  })
  const dgramFlow = createDgramFlow({ ...inet, ...layer, arena, tooLong, ipcm: layer.ipcm.words })
  const common = { ...machine, ...inet, ...layer, dgramFlow, icmpError, mayHear }
  const families = [
    { protos: inet.protos, family: AF_INET_INFO },
    { protos: inet.protos6, family: AF_INET6_INFO },
  ]
  const table = createPingTable(arena.i32, thread, arena.layout.config.workers)
  const { pingRcv, pingErr, pingOwner } = createPingInput({
    ...common,
    table,
    passOn: owned.passOn,
  })
  for (const { protos, family } of families) {
    const { raws } = protos.listeners
    const { rawDeliver, rawErr } = createRawInput({ ...common, family, raws })
    protos.listen({ rawDeliver, rawErr, pingRcv, pingErr, pingOwner, handOver: owned.handOver })
  }
  const rawsOf = byFamily(inet.protos.listeners.raws, inet.protos6.listeners.raws)
  const output = createRawOutput(common)
  sockets.registerProto(SOCK_RAW, ANY_PROTOCOL, createRawSock({ ...common, rawsOf, output }))
  const pingSock = createPingSock({ ...common, table })
  sockets.registerProto(SOCK_DGRAM, IPPROTO_ICMP, pingSock, [AF_INET])
  sockets.registerProto(SOCK_DGRAM, IPPROTO_ICMPV6, pingSock, [AF_INET6])
}
