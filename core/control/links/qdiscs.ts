/**
 * RTM_NEWQDISC, RTM_DELQDISC: what holds packets up at a device's root, which is netem or nothing. Whether there is one is looked at
 * by the change that sets it. Control thread. Linux: tc_modify_qdisc(), tc_get_qdisc() (net/sched/sch_api.c).
 */
import { Errno } from '../../base/errno.ts'
import { DEV_IMPAIRED, deviceRow } from '../../netdev/netdev.ts'
import type { Outcome } from '../rtnl/answers.ts'
import { changed, refuse } from '../rtnl/answers.ts'
import { NLM_F_CREATE, NLM_F_EXCL } from '../nlm-flags.ts'
import type { LinkInfo, MessageOf } from '../rtnetlink.ts'
import type { ChangeDeps } from './change.ts'
import { writeNetem } from './link-row.ts'

const NOTHING = { loss: 0, duplicate: 0, reorder: 0, corrupt: 0, delay: 0, jitter: 0, limit: 0 }

export const createQdiscs = ({
  arena,
  registry,
  onEvent,
}: Pick<ChangeDeps, 'arena' | 'registry' | 'onEvent'>) => {
  const isThere = (row: number): boolean => arena.i32[row + DEV_IMPAIRED] !== 0
  const set = (ifindex: number, netem: typeof NOTHING): Outcome<LinkInfo> => {
    writeNetem(arena, deviceRow(arena, ifindex), netem)
    onEvent('new', ifindex)
    return changed(registry.item(ifindex))
  }

  const newQdisc = ({ ifindex, netem, flags }: MessageOf<'RTM_NEWQDISC'>): Outcome<LinkInfo> => {
    const isOld = isThere(deviceRow(arena, ifindex))
    if (isOld && (flags & NLM_F_EXCL) !== 0)
      return refuse(Errno.EEXIST, 'Exclusivity flag on, cannot modify')
    if (!isOld && (flags & NLM_F_CREATE) === 0)
      return refuse(Errno.ENOENT, 'Qdisc not found. To create specify NLM_F_CREATE flag')
    return set(ifindex, netem)
  }
  const delQdisc = ({ ifindex }: MessageOf<'RTM_DELQDISC'>): Outcome<LinkInfo> => {
    if (!isThere(deviceRow(arena, ifindex)))
      return refuse(Errno.ENOENT, 'Cannot delete qdisc with handle of zero')
    // one that is down has none until it is up again
    registry.of(ifindex).isActivated = registry.isUp(ifindex)
    return set(ifindex, NOTHING)
  }
  return { newQdisc, delQdisc }
}
