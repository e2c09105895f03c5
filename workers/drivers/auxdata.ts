/**
 * What a packet socket says beside a frame: the kernel takes a frame's VLAN tag off, and tells it in a control message
 * (struct tpacket_auxdata). Linux: packet(7) PACKET_AUXDATA.
 */
import type { Arena } from '../../core/shm/arena.ts'
import type { Skbs } from '../../core/skb/skbs.ts'
import { SKB_DATA } from '../../core/skb/skb.ts'
import { ETH_P_8021Q } from '../../core/wire/ethernet.ts'
import { insert as insertTag, VLAN_HLEN, VLAN_VID_MASK } from '../../core/wire/vlan.ts'
import { type Block, block, libc, putAddress } from '../os/libc.ts'

// struct msghdr, and in its control buffer one struct tpacket_auxdata behind a cmsghdr.
const MSGHDR_SIZE = 56
const MSG_IOV = 16
const MSG_IOVLEN = 24
const MSG_CONTROL = 32
const MSG_CONTROLLEN = 40
const CONTROL_SIZE = 40
const AUX_STATUS = 16
const AUX_VLAN_TCI = 32
const AUX_VLAN_TPID = 34
const TP_STATUS_VLAN_VALID = 0x10
const TP_STATUS_VLAN_TPID_VALID = 0x40

/** Reads into the buffers that `iov` names. */
export const createAuxdata = ({ i32, u8 }: Arena, skbs: Skbs, iov: Block) => {
  const message = block(MSGHDR_SIZE)
  const control = block(CONTROL_SIZE)
  putAddress(message.view, MSG_IOV, iov.at)
  putAddress(message.view, MSG_CONTROL, control.at)

  /** recvmsg(2) into the first `parts` buffers. */
  const receive = (fd: number, parts: number): number => {
    putAddress(message.view, MSG_IOVLEN, parts)
    message.view.setUint32(MSG_CONTROLLEN, CONTROL_SIZE, true)
    control.view.setUint32(AUX_STATUS, 0, true)
    return libc.recvmsg(fd, message.at, 0)
  }
  /**
   * The tag belongs back into the frame, or it would pass for one of no VLAN. VLAN 0 is a priority only: as untagged
   * (IEEE 802.1Q 9.6).
   */
  const restoreTag = (skb: number): void => {
    const status = control.view.getUint32(AUX_STATUS, true)
    const tci = control.view.getUint16(AUX_VLAN_TCI, true)
    if ((status & TP_STATUS_VLAN_VALID) === 0 || (tci & VLAN_VID_MASK) === 0) return
    const hasTpid = (status & TP_STATUS_VLAN_TPID_VALID) !== 0
    const tpid = hasTpid ? control.view.getUint16(AUX_VLAN_TPID, true) : ETH_P_8021Q
    const at = i32[skb + SKB_DATA]
    skbs.push(skb, VLAN_HLEN)
    insertTag(u8, at, tpid, tci)
  }
  return { receive, restoreTag }
}
