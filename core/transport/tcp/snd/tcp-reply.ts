/**
 * Answers to segments that no connection explains: the RST of RFC 9293 3.10.7.1, built from the segment itself
 * and sent without a socket. Linux: tcp_v4_send_reset.
 */
import { putI32, putU16 } from '../../../base/bytes.ts'
import { pseudoSumWords } from '../../../base/checksum.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DPORT,
  FL_DST,
  FL_FAMILY,
  FL_IIF,
  FL_L3MDEV,
  FL_MARK,
  FL_OIF,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
  FL_TOS,
} from '../../../base/flowi.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import {
  CHECKSUM_PARTIAL,
  MAX_HEADER,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_IP_SUMMED,
  SKB_TRANSPORT,
} from '../../../skb/skb.ts'
import type { Skbs } from '../../../skb/skbs.ts'
import { CHECKSUM, MIN_HEADER, TCP_ACK, TCP_RST } from '../../../wire/tcp.ts'
import * as tcp from '../../../wire/tcp.ts'
import { MD5_LEN } from '../../../base/md5.ts'
import { MD5_ALIGNED, putMd5 } from '../../../wire/tcp-options.ts'
import type { TcpMd5 } from '../sock/tcp-md5.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import { CB_END_SEQ, CB_FLAGS } from '../sock/tcp-cb.ts'
import type { PacketAddrs } from '../../../inet/packet-addrs.ts'

const IPPROTO_TCP = 6
/** Room for the options of an IPv4 header. */
const MAX_OPTIONS = 40

type TcpReplyDeps = {
  arena: Arena
  bank: number
  skbs: Skbs
  afOps: AfOpsOf
  md5: Pick<TcpMd5, 'isReplySigned' | 'signReply'>
} & Pick<PacketAddrs, 'loadAddrs'>

export type TcpReply = ReturnType<typeof createTcpReply>

export const createTcpReply = (deps: TcpReplyDeps) => {
  const { bank, skbs, afOps, loadAddrs, md5 } = deps
  const { i32, u8, f64, layout } = deps.arena
  const { sysctl } = layout
  const received = createFlowi()
  const fl = createFlowi()

  /** The way back of a received segment. */
  const reverse = (skb: number): void => {
    loadAddrs(skb, received)
    const th = i32[skb + SKB_TRANSPORT]
    fl.fill(0)
    fl[FL_FAMILY] = received[FL_FAMILY]
    for (let w = 0; w < 4; w++) {
      fl[FL_SADDR + w] = received[FL_DADDR + w]
      fl[FL_DADDR + w] = received[FL_SADDR + w]
    }
    fl[FL_SPORT] = tcp.dstPort(u8, th)
    fl[FL_DPORT] = tcp.srcPort(u8, th)
    fl[FL_PROTO] = IPPROTO_TCP
    const reflects = i32[sysctl + afOps(fl[FL_FAMILY]).fwmarkReflect] !== 0
    fl[FL_MARK] = reflects ? received[FL_MARK] : 0
    fl[FL_TOS] = 0
    fl[FL_DST] = 0
    // a link-local peer is reached on the link it was heard on, any other in its domain
    fl[FL_OIF] = received[FL_SADDR] >>> 22 === 0x3fa ? received[FL_IIF] : received[FL_L3MDEV]
  }

  /** RST for a segment whose control block is filled; the segment stays the caller's. Never answers a RST. */
  const sendReset = (skb: number): void => {
    if ((i32[skb + CB_FLAGS] & TCP_RST) !== 0) return
    reverse(skb)
    const header = MIN_HEADER + (md5.isReplySigned() ? MD5_ALIGNED : 0)
    const rst = skbs.alloc(header, MAX_HEADER + MAX_OPTIONS)
    if (rst === 0) return
    const at = skbs.put(rst, header)
    i32[rst + SKB_TRANSPORT] = at
    const acked = (i32[skb + CB_FLAGS] & TCP_ACK) !== 0
    tcp.setSrcPort(u8, at, fl[FL_SPORT])
    tcp.setDstPort(u8, at, fl[FL_DPORT])
    putI32(u8, at + 4, acked ? tcp.ack(u8, i32[skb + SKB_TRANSPORT]) : 0)
    putI32(u8, at + 8, acked ? 0 : i32[skb + CB_END_SEQ])
    tcp.setHeaderLenFlags(u8, at, header, acked ? TCP_RST : TCP_RST | TCP_ACK)
    tcp.setWindow(u8, at, 0)
    tcp.setUrgent(u8, at, 0)
    if (header !== MIN_HEADER) md5.signReply(fl, at, header, putMd5(u8, at + MIN_HEADER) - MD5_LEN)
    putU16(u8, at + CHECKSUM, pseudo(header))
    i32[rst + SKB_IP_SUMMED] = CHECKSUM_PARTIAL
    i32[rst + SKB_CSUM_START] = at
    i32[rst + SKB_CSUM_OFFSET] = CHECKSUM
    // filled by ipv4/af-inet.ts: ipSendReply (ipv4/ip-output.ts)
    if (afOps(fl[FL_FAMILY]).reply(rst, fl, IPPROTO_TCP, skb) < 0) return
    f64[bank + Mib.TcpOutSegs]++
    f64[bank + Mib.TcpOutRsts]++
  }
  const pseudo = (len: number): number => pseudoSumWords(fl, FL_SADDR, FL_DADDR, IPPROTO_TCP, len)

  return { sendReset }
}
