/**
 * Multicast routes: those that are set here, those that CPU 0 has found (inet/mc/mc-proxy.ts), and what each device is to
 * multicast that passes through. Control thread only. Linux: net/ipv4/ipmr.c (ip_mroute_setsockopt, ipmr_rtm_dumproute),
 * where daemons set them by MRT_ADD_VIF and MRT_ADD_MFC.
 */
import { Errno } from '../../base/errno.ts'
import { AF_INET, AF_INET6, familyOf, isAnyAddr, isGroupAddr } from '../../base/family.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import { byFamily } from '../../inet/af-ops.ts'
import {
  MC_ROLE_NONE,
  MFC_BYTES,
  MFC_FOUND,
  MFC_LAST_USE,
  MFC_PACKETS,
  MFC_SET,
  MFC_WRONG_IF,
  VIF_BYTES_IN,
  VIF_BYTES_OUT,
  VIF_PACKETS_IN,
  VIF_PACKETS_OUT,
} from '../../inet/mc/mfc-constants.ts'
import { createMfcReader, createMfcWriter, type MfcRoute } from '../../inet/mc/mfc-table.ts'
import { DEV_MC_ROLE4, DEV_MC_ROLE6, deviceRow } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { VIF_STATS } from '../../shm/layout.ts'
import type { Words } from '../../wire/text.ts'
import type { Outcome, Refused } from '../rtnl/answers.ts'
import { changed, chunks, refuse } from '../rtnl/answers.ts'
import type { Links } from '../links/links.ts'
import type { MessageOf, Mroute, MrouteFilter, Mvif, MvifFilter } from '../rtnetlink.ts'

type MroutesDeps = { arena: Arena; time: Time } & Pick<Links, 'isDevice' | 'list'>

const roleWord = byFamily(DEV_MC_ROLE4, DEV_MC_ROLE6)
const familyOfWords = (words: Words): number => familyOf(Int32Array.from(words), 0)
const isAny = (words: Words): boolean => isAnyAddr(Int32Array.from(words), 0)
const isGroup = (words: Words): boolean => isGroupAddr(Int32Array.from(words), 0)
/** A group that never leaves its link (RFC 5771 section 4, 4291 section 2.7). */
const staysOnLink = (words: Words): boolean =>
  byFamily(words[3] >>> 8 === 0xe00000, ((words[0] >>> 16) & 15) <= 2)(familyOfWords(words))

export const createMroutes = ({ arena, time, isDevice, list }: MroutesDeps) => {
  const { i32, f64, layout } = arena
  const { workers, devices } = layout.config
  const reader = createMfcReader(arena)
  const writer = createMfcWriter(arena, MFC_SET)
  const tables = [MFC_SET, MFC_FOUND]

  // ---- routes

  const sum = (table: number, n: number, column: number): number => {
    let all = 0
    for (let w = 0; w < workers; w++) all += f64[reader.statsOf(w, table, n) + column]
    return all
  }
  /** Milliseconds since its last packet; 0 where there was none. */
  const age = (table: number, n: number): number => {
    let least = 0x7fffffff
    for (let w = 0; w < workers; w++) {
      const at = f64[reader.statsOf(w, table, n) + MFC_LAST_USE]
      if (at !== 0) least = Math.min(least, (time[TIME_MS] - at) | 0)
    }
    return least === 0x7fffffff ? 0 : Math.max(0, least)
  }
  const itemOf = (table: number, n: number, route: MfcRoute): Mroute => ({
    ...route,
    family: familyOfWords(route.group),
    isSet: table === MFC_SET,
    packets: sum(table, n, MFC_PACKETS),
    bytes: sum(table, n, MFC_BYTES),
    wrongIf: sum(table, n, MFC_WRONG_IF),
    ageMs: age(table, n),
  })
  function* items({ family }: MrouteFilter): Generator<Mroute> {
    for (const table of tables)
      for (const { n, route } of reader.list(table)) {
        const item = itemOf(table, n, route)
        if (family === undefined || item.family === family) yield item
      }
  }
  const dump = (filter: MrouteFilter = {}): Iterable<Mroute[]> => chunks(items(filter))

  const passes = (ifindex: number, family: number): boolean =>
    i32[deviceRow(arena, ifindex) + roleWord(family)] !== MC_ROLE_NONE
  const check = ({ iif, source, group, oifs }: MfcRoute): Refused | null => {
    if (!isGroup(group) || staysOnLink(group))
      return refuse(Errno.EINVAL, 'Invalid multicast group', 'dst')
    const family = familyOfWords(group)
    if (isGroup(source) || (!isAny(source) && familyOfWords(source) !== family))
      return refuse(Errno.EINVAL, 'Invalid source address', 'src')
    for (const [k, dev] of [iif, ...oifs.map(({ ifindex }) => ifindex)].entries()) {
      const field = k === 0 ? 'iif' : `oifs[${k - 1}].dev`
      if (!isDevice(dev)) return refuse(Errno.ENODEV, null, field)
      if (!passes(dev, family))
        return refuse(Errno.EADDRNOTAVAIL, 'Device does not forward multicast', field)
    }
    return null
  }
  const newMroute = ({ route }: MessageOf<'RTM_NEWMROUTE'>): Outcome<Mroute> => {
    const wrong = check(route)
    if (wrong !== null) return wrong
    if (!writer.set(route)) return refuse(Errno.ENOMEM)
    return changed(findSet(route.source, route.group)!)
  }
  const findSet = (source: Words, group: Words): Mroute | undefined => {
    const isIt = (route: MfcRoute): boolean =>
      route.source.join() === source.join() && route.group.join() === group.join()
    const found = reader.list(MFC_SET).find(({ route }) => isIt(route))
    return found && itemOf(MFC_SET, found.n, found.route)
  }
  const delMroute = ({ source, group }: MessageOf<'RTM_DELMROUTE'>): Outcome<Mroute> => {
    const last = findSet(source, group)
    if (last === undefined) return refuse(Errno.ENOENT, null, 'dst')
    writer.remove(source, group)
    return changed(last)
  }

  // ---- devices

  const vifSum = (ifindex: number, column: number): number => {
    let all = 0
    for (let w = 0; w < workers; w++)
      all += f64[layout.vifStatsF64 + (w * devices + ifindex) * VIF_STATS + column]
    return all
  }
  const vifOf = (ifindex: number, family: number): Mvif => ({
    ifindex,
    family,
    role: i32[deviceRow(arena, ifindex) + roleWord(family)],
    bytesIn: vifSum(ifindex, VIF_BYTES_IN),
    packetsIn: vifSum(ifindex, VIF_PACKETS_IN),
    bytesOut: vifSum(ifindex, VIF_BYTES_OUT),
    packetsOut: vifSum(ifindex, VIF_PACKETS_OUT),
  })
  function* vifs({ family }: MvifFilter): Generator<Mvif> {
    for (const ifindex of list())
      for (const one of [AF_INET, AF_INET6])
        if (passes(ifindex, one) && (family === undefined || family === one))
          yield vifOf(ifindex, one)
  }
  const dumpVifs = (filter: MvifFilter = {}): Iterable<Mvif[]> => chunks(vifs(filter))
  /** What was set by way of a device that is no more goes with it, as with a daemon's vif. */
  const deviceGone = (ifindex: number, family?: number): void => {
    for (const { route } of reader.list(MFC_SET)) {
      const { source, group, iif, oifs } = route
      if (family !== undefined && familyOfWords(group) !== family) continue
      if (iif === ifindex) writer.remove(source, group)
      else if (oifs.some((oif) => oif.ifindex === ifindex))
        writer.set({ ...route, oifs: oifs.filter((oif) => oif.ifindex !== ifindex) })
    }
  }
  const setVif = ({ ifindex, family, role }: MessageOf<'MVIF_SET'>): Outcome<Mvif> => {
    if (!isDevice(ifindex)) return refuse(Errno.ENODEV, null, 'ifname')
    i32[deviceRow(arena, ifindex) + roleWord(family)] = role
    if (role === MC_ROLE_NONE) deviceGone(ifindex, family)
    return changed(vifOf(ifindex, family))
  }

  return { dump, newMroute, delMroute, dumpVifs, setVif, deviceGone }
}
