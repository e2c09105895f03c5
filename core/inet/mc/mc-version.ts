/**
 * Which version of IGMP or MLD is spoken on a device whatever is heard there, by its host and by its querier:
 * force_igmp_version, force_mld_version. RFC 3376 section 7, RFC 3810 section 8; Linux: IGMP_V1_SEEN(), mld_in_v1_mode().
 */
import type { Arena } from '../../shm/arena.ts'
import { CONF_ALL, Conf4, Conf6, confRow } from '../../shm/devconf.ts'
import { byFamily } from '../af-ops.ts'

/** The word, and which version its 1 is: versions count as IGMP's do. */
const FORCE = byFamily(
  { word: Conf4.force_igmp_version, first: 1 },
  { word: Conf6.force_mld_version, first: 2 }
)

/** By a device; 0: as old as who is heard. */
export const createForcedVersion = ({ arena, family }: { arena: Arena; family: number }) => {
  const { word, first } = FORCE(family)
  const of = (row: number): number => arena.i32[confRow(arena, row) + word]
  return (ifindex: number): number => {
    const forced = of(ifindex) || of(CONF_ALL)
    return forced === 0 ? 0 : forced - 1 + first
  }
}
