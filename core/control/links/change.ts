/**
 * Changes of a link: whether one is right, before anything is changed, and its words written into the row. Control
 * thread. Linux: do_setlink() (net/core/rtnetlink.c), dev_validate_mtu() (net/core/dev.c).
 */
import { Errno } from '../../base/errno.ts'
import type { LinkKind, LinkRefusal } from '../../dev/kinds/link-kind.ts'
import type { Ifaddrs } from '../../inet/addr/ifaddr.ts'
import {
  DEV_ALLMULTI,
  DEV_FLAGS,
  DEV_L3MDEV,
  DEV_MASTER,
  DEV_MTU,
  DEV_PROMISCUITY,
  DEV_TXQLEN,
  deviceRow,
  IFF_ALLMULTI,
  IFF_NOARP,
  IFF_PROMISC,
  IFF_UP,
  l3mdevOf,
} from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import type { Mac } from '../../wire/text.ts'
import type { Refused } from '../rtnl/answers.ts'
import { refuse } from '../rtnl/answers.ts'
import { Conf6, confRow, takeOwnMtu6 } from '../../shm/devconf.ts'
import type { Rib } from '../rib/rib.ts'
import type { LinkChange } from '../rtnetlink.ts'
import type { Follow } from './follow.ts'
import { writeMac, writeNetem } from './link-row.ts'
import type { Registry } from './registry.ts'
import { asRefused, MAX_MTU, MIN_MTU } from './registry.ts'

export type ChangeDeps = {
  arena: Arena
  registry: Registry
  addresses: Pick<Ifaddrs, 'domainLeft'>
  /** control.ts: tells workers and nics to forget what they know of a device's neighbours and what waits for them. */
  announceDown: (ifindex: number) => void
  /** control.ts: worker 0 tells the neighbours, where that is asked for. */
  announceUp: (ifindex: number) => void
  /** control/rib/rib.ts */
  mtuChanged: Rib['mtuChanged']
  /** control.ts: tells watchers. */
  onEvent: (event: 'new' | 'del', ifindex: number) => void
} & Pick<Follow, 'setUp'>
export type Change = ReturnType<typeof createChange>

const isUsableMac = ({ hi, lo }: Mac): boolean => (hi & 0x0100) === 0 && (hi | lo) !== 0

export const createChange = ({
  arena,
  registry,
  setUp,
  addresses,
  announceDown,
  announceUp,
  mtuChanged,
  onEvent,
}: ChangeDeps) => {
  const { i32 } = arena
  const { isUp, of, masterOf } = registry

  /** What is wrong with the words of a link of this kind, whether it is there or to be made. */
  const checkWords = (spec: LinkChange, kind: LinkKind): Refused | undefined => {
    const { minMtu = MIN_MTU, maxMtu = MAX_MTU } = kind
    const { mtu, mac, newname, ifname } = spec
    if (mtu !== undefined && !(Number.isInteger(mtu) && mtu >= minMtu))
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
    const refusal = kind.ops.validate?.(spec) ?? masterFault(spec, ifindex)
    return refusal && asRefused({ field: 'master', ...refusal })
  }
  /** What is wrong with the device that it is to be enslaved to (do_set_master). */
  const masterFault = ({ master = 0 }: LinkChange, ifindex: number): LinkRefusal | undefined => {
    if (master === 0 || master === masterOf(ifindex)) return undefined
    const { slaveFault } = of(master).kind.ops
    return slaveFault ? slaveFault(ifindex) : { error: Errno.EOPNOTSUPP }
  }

  const setFlags = (row: number, { flags, change }: LinkChange): void => {
    const direct = change & (IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI)
    i32[row + DEV_FLAGS] = (i32[row + DEV_FLAGS] & ~direct) | (flags & direct)
    if (direct & IFF_PROMISC) i32[row + DEV_PROMISCUITY] = flags & IFF_PROMISC ? 1 : 0
    if (direct & IFF_ALLMULTI) i32[row + DEV_ALLMULTI] = flags & IFF_ALLMULTI ? 1 : 0
  }
  /**
   * What it has of routes and neighbours is its domain's: it goes down and up again, and begins anew in the other
   * (do_vrf_add_slave: cycle_netdev).
   */
  const setMaster = (ifindex: number, master: number): void => {
    if (master === masterOf(ifindex)) return
    const row = deviceRow(arena, ifindex)
    const wasUp = isUp(ifindex)
    if (wasUp) {
      setUp(ifindex, false)
      announceDown(ifindex)
      onEvent('new', ifindex)
    }
    addresses.domainLeft(ifindex)
    i32[row + DEV_MASTER] = master
    i32[row + DEV_L3MDEV] = l3mdevOf(arena, master)
    if (!wasUp) return
    setUp(ifindex, true)
    announceUp(ifindex)
  }
  /** The master is going away. */
  const freeSlaves = (master: number): void => {
    for (const ifindex of registry.list()) {
      if (masterOf(ifindex) !== master) continue
      setMaster(ifindex, 0)
      onEvent('new', ifindex)
    }
  }
  const setMtu = (ifindex: number, mtu: number): void => {
    const word = deviceRow(arena, ifindex) + DEV_MTU
    const before6 = i32[confRow(arena, ifindex) + Conf6.mtu] || i32[word]
    i32[word] = mtu
    takeOwnMtu6(arena, ifindex)
    mtuChanged(ifindex, before6, mtu)
  }
  const apply = (ifindex: number, spec: LinkChange): void => {
    const row = deviceRow(arena, ifindex)
    if (spec.newname !== undefined) registry.rename(ifindex, spec.newname)
    if (spec.mtu !== undefined && spec.mtu !== i32[row + DEV_MTU]) setMtu(ifindex, spec.mtu)
    if (spec.mac !== undefined) writeMac(arena, row, spec.mac)
    if (spec.master !== undefined) setMaster(ifindex, spec.master)
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
  return { checkWords, check, apply, freeSlaves }
}
