// What the twin test asks of a protocol family.

import type { Case } from './case.ts'
import { canonicalIpv4, type Canonical, type Drawn } from './ipv4/canonical.ts'
import { generateIpv4 } from './ipv4/generate.ts'
import { KNOWN_IPV4 } from './ipv4/known.ts'
import { fixSum } from './ipv4/packets.ts'
import { IPV4_WORLD } from './ipv4/world.ts'
import type { Known } from './known.ts'
import { canonicalIpv6 } from './ipv6/canonical.ts'
import { generateIpv6 } from './ipv6/generate.ts'
import { KNOWN_IPV6 } from './ipv6/known.ts'
import { fixLength } from './ipv6/packets.ts'
import { IPV6_WORLD } from './ipv6/world.ts'
import type { SetUp } from './side.ts'

export type Family = {
  name: string
  setUp: SetUp
  /** The same seed is the same case. */
  generate: (seed: number) => Case
  /** A frame that came out, without what may differ. */
  canonical: (frame: Uint8Array, drawn: Drawn | null) => Canonical
  /** Makes a frame's checksums right that has been made smaller. */
  repair: (frame: Uint8Array) => void
  known: readonly Known[]
  /** Counters that are compared. */
  counters: RegExp
}

export const FAMILIES: Record<string, Family> = {
  ipv6: {
    name: 'ipv6',
    setUp: IPV6_WORLD,
    generate: generateIpv6,
    canonical: canonicalIpv6,
    repair: (frame) => fixLength(frame.subarray(14)),
    known: KNOWN_IPV6,
    // discovery, which is left out of the frames, counts in the others
    counters:
      /^Ip6(In(HdrErrors|TooBigErrors|NoRoutes|AddrErrors|UnknownProtos|TruncatedPkts)|Reasm|Frag)/,
  },
  ipv4: {
    name: 'ipv4',
    setUp: IPV4_WORLD,
    generate: generateIpv4,
    canonical: canonicalIpv4,
    repair: (frame) => {
      if (frame.length > 34) fixSum(frame.subarray(14))
    },
    known: KNOWN_IPV4,
    counters: /^(IpExt|Ip|Icmp)(?!Ext|Msg)[A-Z]/,
  },
}
