/**
 * The receive core: what every frame goes through that comes to this CPU, whether from a backlog, from a device queue that
 * the CPU reads itself, or from a device of our own. `receive` takes the frames of a batch one by one and `flush` ends
 * the batch. A packet that another CPU sent here goes on where it was. On a worker.
 * Linux: net/core/dev.c __netif_receive_skb_core(), napi_complete_done(); IEEE 802.1Q section 6.9 for priority tags.
 */
import type { Arena } from '../shm/arena.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  PACKET_OTHERHOST,
  SKB_DATA,
  SKB_DEV,
  SKB_IIF,
  SKB_MAC,
  SKB_NETWORK,
  SKB_PKT_TYPE,
  SKB_PROTOCOL,
  SKB_STAGE,
  SKB_VLAN,
  STAGE_FRAME,
} from '../skb/skb.ts'
import { ETH_P_8021AD, ETH_P_8021Q, protocolOf } from '../wire/ethernet.ts'
import * as vlan from '../wire/vlan.ts'
import type { EthTypeTrans } from './eth-type-trans.ts'
import type { Ptype } from './ptype.ts'
import type { FlowTable } from '../softnet/flow-table.ts'
import type { Backlog } from '../softnet/backlog.ts'

type ReceiveDeps = {
  arena: Arena
  skbs: Skbs
  ptype: Ptype
  flushBacklogs: Backlog['flush']
} & Pick<EthTypeTrans, 'ethTypeTrans'> &
  Pick<FlowTable, 'record'>

export type Receive = ReturnType<typeof createReceive>

/** skb->vlan_tci of a frame without a tag. */
const NO_TAG = -1

export const createReceive = (deps: ReceiveDeps) => {
  const { arena, skbs, ethTypeTrans, ptype, record, flushBacklogs } = deps
  const { isTapped, deliverTaps, deliver, resume, unhandled } = ptype
  const { i32, u8 } = arena

  /** One packet of a batch; takes it over. */
  const receive = (skb: number): void => {
    const stage = i32[skb + SKB_STAGE]
    if (stage !== STAGE_FRAME) return goOn(skb, stage)
    record(skb)
    if (!ethTypeTrans(skb)) return
    i32[skb + SKB_IIF] = i32[skb + SKB_DEV]
    if (isTapped()) deliverTaps(skb, i32[skb + SKB_MAC], i32[skb + SKB_PKT_TYPE])
    // taken off by the driver; one in the frame is an ethertype like others
    if (i32[skb + SKB_VLAN] !== NO_TAG) untag(skb)
    deliver(skb)
  }
  const goOn = (skb: number, stage: number): void => {
    i32[skb + SKB_STAGE] = STAGE_FRAME
    resume(skb, stage)
  }

  /** A frame with a tag in it. One too short to be one is nobody's. */
  const vlanRcv = (skb: number): void => {
    if (!takeTag(skb)) return unhandled(skb)
    untag(skb)
    deliver(skb)
  }
  ptype.devAddPack(ETH_P_8021Q, vlanRcv)
  ptype.devAddPack(ETH_P_8021AD, vlanRcv)
  const isTagType = (type: number): boolean => type === ETH_P_8021Q || type === ETH_P_8021AD
  /**
   * A tag of VLAN 0 is a priority alone, and the frame as if it had none. One of a VLAN that is not here is another
   * host's.
   */
  const untag = (skb: number): void => {
    while (i32[skb + SKB_VLAN] !== NO_TAG || takeTag(skb)) {
      if ((i32[skb + SKB_VLAN] & vlan.VLAN_VID_MASK) !== 0) {
        i32[skb + SKB_PKT_TYPE] = PACKET_OTHERHOST
        return
      }
      i32[skb + SKB_VLAN] = NO_TAG
    }
  }
  /** Takes the outermost tag off; the addresses in front of it stay where they are. */
  const takeTag = (skb: number): boolean => {
    if (!isTagType(i32[skb + SKB_PROTOCOL]) || !skbs.mayPull(skb, vlan.VLAN_HLEN)) return false
    const at = i32[skb + SKB_DATA]
    i32[skb + SKB_VLAN] = vlan.tci(u8, at)
    i32[skb + SKB_PROTOCOL] = protocolOf(vlan.type(u8, at))
    i32[skb + SKB_NETWORK] = skbs.pull(skb, vlan.VLAN_HLEN)
    return true
  }

  /** The batch has ended: what was put together of it, or for others, goes on. */
  const flush = (): void => flushBacklogs()

  return { receive, flush }
}
