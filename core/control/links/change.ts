/**
 * Changes of a link: whether one is right, before anything is changed, and its words written into the row. Control
 * thread. Linux: do_setlink() (net/core/rtnetlink.c), dev_validate_mtu() (net/core/dev.c).
 */
import { Errno } from '../../base/errno.ts'
import type { LinkKind } from '../../dev/kinds/link-kind.ts'
import {
  DEV_ALLMULTI,
  DEV_FLAGS,
  DEV_MTU,
  DEV_PROMISCUITY,
  DEV_TXQLEN,
  deviceRow,
  IFF_ALLMULTI,
  IFF_NOARP,
  IFF_PROMISC,
  IFF_UP,
} from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import type { Mac } from '../../wire/text.ts'
import type { Refused } from '../answers.ts'
import { refuse } from '../answers.ts'
import type { LinkChange } from '../rtnetlink.ts'
import type { Follow } from './follow.ts'
import { writeMac, writeNetem } from './link-row.ts'
import type { Registry } from './registry.ts'
import { asRefused, MAX_MTU, MIN_MTU } from './registry.ts'

export type ChangeDeps = {
  arena: Arena
  registry: Registry
  /** control.ts: tells workers and nics to forget what they know of a device's neighbours and what waits for them. */
  announceDown: (ifindex: number) => void
  /** control.ts: worker 0 tells the neighbours, where that is asked for. */
  announceUp: (ifindex: number) => void
  /** control.ts: tells watchers. */
  onEvent: (event: 'new' | 'del', ifindex: number) => void
} & Pick<Follow, 'setUp'>
export type Change = ReturnType<typeof createChange>

const isUsableMac = ({ hi, lo }: Mac): boolean => (hi & 0x0100) === 0 && (hi | lo) !== 0

export const createChange = ({
  arena,
  registry,
  setUp,
  announceDown,
  announceUp,
  onEvent,
}: ChangeDeps) => {
  const { i32 } = arena
  const { isUp, of } = registry

  /** What is wrong with the words of a link of this kind, whether it is there or to be made. */
  const checkWords = (spec: LinkChange, { maxMtu = MAX_MTU }: LinkKind): Refused | undefined => {
    const { mtu, mac, newname, ifname } = spec
    if (mtu !== undefined && !(Number.isInteger(mtu) && mtu >= MIN_MTU))
      return refuse(Errno.EINVAL, 'mtu less than device minimum', 'mtu')
    if (mtu !== undefined && mtu > maxMtu)
      return refuse(Errno.EINVAL, 'mtu greater than device maximum', 'mtu')
    if (mac !== undefined && !isUsableMac(mac)) return refuse(Errno.EADDRNOTAVAIL, null, 'address')
    return newname === undefined || newname === ifname
      ? undefined
      : registry.checkName(newname, 'newname')
  }
  /** What is wrong with a change of a link that is there. */
  const check = (spec: LinkChange, ifindex: number): Refused | undefined => {
    const { kind } = of(ifindex)
    const wrong = checkWords(spec, kind)
    if (wrong) return wrong
    const refusal = kind.ops.validate?.(spec)
    return refusal && asRefused(refusal)
  }

  const setFlags = (row: number, { flags, change }: LinkChange): void => {
    const direct = change & (IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI)
    i32[row + DEV_FLAGS] = (i32[row + DEV_FLAGS] & ~direct) | (flags & direct)
    if (direct & IFF_PROMISC) i32[row + DEV_PROMISCUITY] = flags & IFF_PROMISC ? 1 : 0
    if (direct & IFF_ALLMULTI) i32[row + DEV_ALLMULTI] = flags & IFF_ALLMULTI ? 1 : 0
  }
  const apply = (ifindex: number, spec: LinkChange): void => {
    const row = deviceRow(arena, ifindex)
    if (spec.newname !== undefined) registry.rename(ifindex, spec.newname)
    if (spec.mtu !== undefined) i32[row + DEV_MTU] = spec.mtu
    if (spec.mac !== undefined) writeMac(arena, row, spec.mac)
    if (spec.txqlen !== undefined) i32[row + DEV_TXQLEN] = spec.txqlen
    setFlags(row, spec)
    if (spec.netem !== undefined) writeNetem(arena, row, spec.netem)
    const wasUp = isUp(ifindex)
    if (spec.change & IFF_UP) setUp(ifindex, (spec.flags & IFF_UP) !== 0)
    // headers made for the old address are wrong now (Linux: neigh_ifdown, neigh_changeaddr)
    if (wasUp && (!isUp(ifindex) || spec.mac !== undefined)) announceDown(ifindex)
    if (isUp(ifindex) && (!wasUp || spec.mac !== undefined)) announceUp(ifindex)
    onEvent('new', ifindex)
  }
  return { checkWords, check, apply }
}
