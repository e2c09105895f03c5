/** UDP of a stack: datagrams to sockets and back, a protocol of the socket layer. */
import type { Flowi } from '../base/flowi.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DEV,
  FL_DPORT,
  FL_IIF,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
} from '../base/flowi.ts'
import { SOCK_DGRAM } from '../socket/sock.ts'
import { createDgramErr } from '../transport/dgram-err.ts'
import { createKeepError } from '../transport/keep-error.ts'
import { createDgramFlow } from '../transport/dgram-flow.ts'
import { createPorts } from '../transport/ports.ts'
import { createUdpHash } from '../transport/udp/udp-hash.ts'
import { createUdpInput } from '../transport/udp/udp-input.ts'
import { createUdpOutput } from '../transport/udp/udp-output.ts'
import { createUdpSock } from '../transport/udp/udp-sock.ts'
import { IPPROTO_UDP } from '../wire/ipproto.ts'
import type { Inet } from './inet.ts'
import type { Link } from './link.ts'
import type { Machine } from './machine.ts'
import type { SocketLayer } from './sockets.ts'

export const createUdp = (machine: Machine, link: Link, inet: Inet, layer: SocketLayer) => {
  const { arena, random } = machine
  const { sockets, owned, mc, datagram, filter, errqueue } = layer
  const { sockEvents } = sockets
  const keepError = createKeepError({ ...machine, ...inet, errqueue })
  const { icmpError, tooLong } = createDgramErr({
    ...machine,
    ...inet,
    ...keepError,
    errqueue,
    sockEvents,
  })
  const dgramFlow = createDgramFlow({ ...inet, ...layer, arena, tooLong, ipcm: layer.ipcm.words })
  const ports = createPorts(arena)
  const table = createUdpHash(arena, ports, random(), mc.allows)
  const { udpRcv, udpResume, udpErr, udpOwner } = createUdpInput({
    ...machine,
    ...inet,
    table,
    segment: link.xmit.gso.segment,
    icmpError,
    passOn: owned.passOn,
    ...datagram,
    filter,
  })
  const udp = createUdpSock({
    ...machine,
    ...inet,
    ipCmsgRecv: layer.ipCmsgRecv,
    cmsg: layer.cmsg,
    ipcm: layer.ipcm.words,
    datagram,
    ports,
    table,
    output: createUdpOutput({ ...machine, ...inet, dgramFlow }),
    owned,
    hashesHome: createHashesHome(machine),
  })
  sockets.registerProto(SOCK_DGRAM, IPPROTO_UDP, udp.proto)
  return { ...udp, udpRcv, udpResume, udpErr, udpOwner }
}

/** Do packets of a flow back to us, from (FL_DADDR, rport) to (FL_SADDR, port), come to this CPU? */
const createHashesHome = ({ thread, steer }: Machine) => {
  const back = createFlowi()
  return (flow: Flowi, port: number, rport: number): boolean => {
    for (let w = 0; w < 4; w++) {
      back[FL_SADDR + w] = flow[FL_DADDR + w]
      back[FL_DADDR + w] = flow[FL_SADDR + w]
    }
    back[FL_IIF] = flow[FL_DEV]
    back[FL_PROTO] = IPPROTO_UDP
    back[FL_SPORT] = rport
    back[FL_DPORT] = port
    return steer.steerFlow(back) === thread
  }
}
