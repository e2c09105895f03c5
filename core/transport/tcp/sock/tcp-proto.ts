/**
 * TCP as the layers beside it want it: the socket layer's Proto (tcp_prot), and inet_protos' error handler, which
 * turns a quoted packet of ours into the connection it belonged to. On the worker.
 * Linux: net/ipv4/tcp_ipv4.c tcp_v4_err(), tcp_prot.
 */
import { AF_INET } from '../../../base/family.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DPORT,
  FL_FAMILY,
  FL_IIF,
  FL_SADDR,
  FL_SPORT,
  FL_L3MDEV,
} from '../../../base/flowi.ts'
import type { Arena } from '../../../shm/arena.ts'
import { SKB_DATA, SKB_NETWORK, SKB_TRANSPORT } from '../../../skb/skb.ts'
import type { Proto } from '../../../socket/proto.ts'
import * as icmp from '../../../wire/icmp.ts'
import * as tcpWire from '../../../wire/tcp.ts'
import type { Tcp } from '../tcp.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import type { PacketAddrs } from '../../../inet/packet-addrs.ts'

export const createTcpProto = (tcp: Tcp): Proto => ({
  open: tcp.open,
  bind: tcp.bind,
  connect: tcp.connect,
  listen: tcp.listen,
  accept: tcp.accept,
  sendmsg: tcp.sendmsg,
  sendBytes: tcp.sendBytes,
  sendto: tcp.sendto,
  recvmsg: tcp.recvmsg,
  readSkb: tcp.readSkb,
  recvBytes: tcp.recvBytes,
  // SHUT_RD, SHUT_WR, SHUT_RDWR are one less than the bits (inet_shutdown)
  shutdown: (sk, how) => tcp.shutdown(sk, how + 1),
  poll: tcp.poll,
  ioctl: tcp.ioctl,
  recvErr: tcp.recvErr,
  close: tcp.close,
  linger: tcp.linger,
  abort: tcp.abort,
  syncMss: tcp.syncMss,
  setOption: tcp.setOption,
  getOption: tcp.getOption,
  setNameOption: tcp.setNameOption,
  getNameOption: tcp.getNameOption,
})

type TcpErrDeps = {
  arena: Arena
  tcp: Tcp
  afOps: AfOpsOf
} & Pick<PacketAddrs, 'loadAddrs'>

/** Of ICMP errors, whose NETWORK and TRANSPORT are the quoted headers': the handler, to which the skb is lent, and whose they are. */
export const createTcpErr = ({ arena, tcp, afOps, loadAddrs }: TcpErrDeps) => {
  const { i32, u8 } = arena
  const fl = createFlowi()
  /** What `fl` names is the connection. */
  const loadQuoted = (skb: number): void => {
    const at = i32[skb + SKB_TRANSPORT]
    loadAddrs(skb, fl)
    // we sent the quoted packet; the connection's table knows packets of the peer
    for (let w = 0; w < 4; w++) {
      const own = fl[FL_SADDR + w]
      fl[FL_SADDR + w] = fl[FL_DADDR + w]
      fl[FL_DADDR + w] = own
    }
    fl[FL_SPORT] = tcpWire.dstPort(u8, at)
    fl[FL_DPORT] = tcpWire.srcPort(u8, at)
    // it may come by any device of the domain
    fl[FL_IIF] = fl[FL_L3MDEV]
  }
  /** tcp_v4_err, tcp_v6_err: of IPv4 what may pass, and a bad parameter; of IPv6 what may not. */
  const endsRequest = (skb: number, isFatal: boolean): boolean => {
    if (fl[FL_FAMILY] !== AF_INET) return isFatal
    const type = icmp.type(u8, i32[skb + SKB_DATA])
    if (type === icmp.ICMP_DEST_UNREACH) return isNoRoute(skb)
    return type === icmp.ICMP_TIME_EXCEEDED || type === icmp.ICMP_PARAMETERPROB
  }
  /** A router has no way to the peer. */
  const isNoRoute = (skb: number): boolean => {
    const { noRoute, noRouteCode } = afOps(fl[FL_FAMILY]).icmp
    const at = i32[skb + SKB_DATA]
    return icmp.type(u8, at) === noRoute && icmp.code(u8, at) <= noRouteCode
  }
  const tcpErr = (skb: number, errno: number, isFatal: boolean, mtu: number): boolean => {
    const at = i32[skb + SKB_TRANSPORT]
    if (at - i32[skb + SKB_NETWORK] < 20) return false
    loadQuoted(skb)
    const seq = tcpWire.seq(u8, at)
    return tcp.tcpError(fl, errno, mtu, seq, endsRequest(skb, isFatal), isNoRoute(skb), skb)
  }
  const tcpOwner = (skb: number): number => {
    loadQuoted(skb)
    return tcp.ownerHashFlow(fl)
  }
  return { tcpErr, tcpOwner }
}
