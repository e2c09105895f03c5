/**
 * The map of an arena in words: how big each region of layout.ts is, and where it lies, so that the pools of all threads fit. Computed
 * when an arena is made, by each thread the same.
 */
import { WHEEL_WORDS } from '../base/timer-wheel.ts'
import { roundUpPowerOfTwo } from '../base/u32.ts'
import {
  APP_BLOCK_WORDS,
  APP_PAIR_WORDS,
  APP_RING_WORDS,
  type ArenaConfig,
  CAPTURE_WORDS,
  COUNTERS,
  DEVICE_FDS,
  DEVICE_WORDS,
  DEV_CONF_WORDS,
  DEV_STATS,
  DROP_REASONS,
  FIB_NODE_WORDS,
  FIB_ROOT_WORDS,
  FIB_RULE_WORDS,
  FIB_TABLE_WORDS,
  fibPrefixWords,
  FLOW_WORDS,
  FRAG_FAMILIES,
  HELD_WORDS,
  IFADDR_WORDS,
  IPI_SLOTS,
  IPI_SLOT_WORDS,
  LARGE_BYTES,
  MAX_CAPTURES,
  MAX_WORKERS,
  MC_GROUP_WORDS,
  MC_MEMBER_WORDS,
  MC_SOURCES,
  MC_SOURCE_WORDS,
  MC_STANDING,
  MC_TABLE_HEAD,
  MFC_STATS,
  MFC_WORDS,
  NEIGH_WORDS,
  NEXTHOP_WORDS,
  OWNED_FLOW_BUCKET_WORDS,
  PNEIGHS,
  PNEIGH_WORDS,
  PORTS,
  PORT_BITS_WORDS,
  PORT_SLOTS,
  PMTU_WORDS,
  PMTUS,
  REDIRECT_WORDS,
  REDIRECTS,
  RING_HEADER,
  RSS_WORDS,
  SCRATCH_WORDS,
  SKB_WORDS,
  SMALL_BYTES,
  SOCK_FLOWS,
  SOCK_WORDS,
  SYNQ_OVERFLOW_WORDS,
  SYSCTL_WORDS,
  THREAD_WORDS,
  VIF_STATS,
} from './layout.ts'
import { slabWords } from './slab.ts'

const pow2 = (name: string, n: number): number => {
  if (n < 1 || (n & (n - 1)) !== 0) throw new Error(`${name}: ${n} is not a power of two`)
  return n
}
const threadsOf = ({ workers, nics, apps }: ArenaConfig): number => workers + nics + apps + 1

/** Slots of a return ring: everything that a thread owns may be on its way home by one ring. */
const returnSlots = ({ skbs, smallBuffers, largeBuffers }: ArenaConfig): number =>
  2 ** Math.ceil(Math.log2(skbs + smallBuffers + largeBuffers))

/** Twice as many entries as there can be flows, eight a bucket. */
const ownedFlowBuckets = ({ socks }: ArenaConfig): number => roundUpPowerOfTwo(socks) >> 2 || 1
/** The buckets, and a cache line for what did not fit. */
const ownedFlowWords = (config: ArenaConfig): number =>
  (ownedFlowBuckets(config) + 1) * OWNED_FLOW_BUCKET_WORDS

/** Groups that there can be: one for each membership of anybody, and those that every device has. */
const mcRows = ({ workers, members, devices }: ArenaConfig): number =>
  (workers + 1) * members + devices * MC_STANDING
const mfcWords = ({ mroutes }: ArenaConfig): number =>
  MC_TABLE_HEAD + mroutes * MFC_WORDS + roundUpPowerOfTwo(mroutes)
const mcBuckets = (config: ArenaConfig): number => roundUpPowerOfTwo(mcRows(config))

/** Words of each region, in the order in which they lie. */
const regionWords = (config: ArenaConfig) => {
  const { workers, apps, devices, neighbours, skbs, smallBuffers, largeBuffers, socks } = config
  const threads = threadsOf(config)
  return {
    threadBlocks: threads * THREAD_WORDS,
    sysctl: SYSCTL_WORDS,
    reservedPorts: PORT_BITS_WORDS,
    /** [worker][family] octets of packet memory that half datagrams hold. */
    fragMemory: workers * FRAG_FAMILIES,
    devices: devices * DEVICE_WORDS,
    /** [device][queue] file descriptors (netdev.ts, deviceFds). */
    deviceFds: devices * DEVICE_FDS,
    /** [device] its settings; the first row is `all`, the one behind the last `default`. */
    devConf: (devices + 1) * DEV_CONF_WORDS,
    rss: devices * RSS_WORDS,
    sockFlows: SOCK_FLOWS,
    /** [worker] its sockets' flows by hash: finds the owner of a flow that was steered elsewhere. */
    ownedFlows: workers * ownedFlowWords(config),
    /** [worker][port] */
    synqOverflow: workers * SYNQ_OVERFLOW_WORDS,
    ifaddrs: config.ifaddrs * IFADDR_WORDS,
    nexthops: config.nexthops * NEXTHOP_WORDS,
    /** Each bucket's nexthop object; and [worker, then control] when it last sent something that way (jiffies). */
    nhBuckets: config.nhBuckets,
    nhBucketUse: (workers + 1) * config.nhBuckets,
    /** [worker] copies of nexthop rows with gateways learned from redirects. */
    redirects: workers * REDIRECTS * NEXTHOP_WORDS,
    /** [worker] which route and destination each is for, and the path MTUs that it has learned. */
    redirectKeys: workers * REDIRECTS * REDIRECT_WORDS,
    pmtus: workers * PMTUS * PMTU_WORDS,
    /** The map of routing tables, and the root of each. */
    fibTables: config.fibTables * FIB_TABLE_WORDS,
    fibRoots: config.fibTables * FIB_ROOT_WORDS,
    fibNodes: config.fibNodes * FIB_NODE_WORDS,
    /** [family] all prefixes. */
    fibPrefixes: 2 * fibPrefixWords(config),
    fibRules: config.fibRules * FIB_RULE_WORDS,
    neighbours: neighbours * NEIGH_WORDS,
    pneighs: PNEIGHS * PNEIGH_WORDS,
    /** Open-addressed index over neighbours: four slots a row. */
    neighIndex: neighbours * 4,
    /** [worker][neighbour] last use, [worker][neighbour] last confirmation (jiffies). */
    neighUse: workers * neighbours * 2,

    /** [worker, then control] memberships, and their sources. */
    mcMembers: (workers + 1) * slabWords(config.members, MC_MEMBER_WORDS),
    mcSources: (workers + 1) * slabWords(config.members * MC_SOURCES, MC_SOURCE_WORDS),
    /** The devices' groups: a header, the rows, and the buckets that they are chained in; their sources. */
    mcTable: MC_TABLE_HEAD + mcRows(config) * MC_GROUP_WORDS + mcBuckets(config),
    mcGroupSources: slabWords(mcRows(config) * MC_SOURCES, MC_SOURCE_WORDS),

    /** [set by control, found by worker 0] multicast routes: a header, the rows, and the buckets that they are chained in. */
    mfc: 2 * mfcWords(config),
    /** [worker][set, found][route], and [worker][device], float64 words. */
    mfcStats: workers * 2 * config.mroutes * MFC_STATS * 2,
    vifStats: workers * devices * VIF_STATS * 2,

    /** [worker][thread] rings of skbs: the backlogs. */
    backlogRings: workers * threads * (RING_HEADER + config.backlog),
    /** [to][from] rings of calls between threads. */
    ipiRings: threads * threads * (RING_HEADER + IPI_SLOTS * IPI_SLOT_WORDS),
    /** [port][thread] rings of frames to a port's peer, then one from the peer: see netdev/port.ts. */
    portRings: PORTS * (threads + 1) * (RING_HEADER + PORT_SLOTS),
    /** [home][from] rings on which freed skbs and buffers go home; big enough never to be full. */
    returnRings: threads * threads * (RING_HEADER + returnSlots(config)),

    captures: MAX_CAPTURES * CAPTURE_WORDS,
    /** [thread that handles packets] frames on their way to who captures them, and [thread][capture] those that found no room. */
    captureRings: (workers + config.nics) * (RING_HEADER + config.captureRing),
    captureLost: (workers + config.nics) * MAX_CAPTURES,

    appBlocks: apps * APP_BLOCK_WORDS,
    /** [app][worker] what a worker tells an application about itself. */
    appPairs: apps * workers * APP_PAIR_WORDS,
    /** [app][worker] submission ring, then completion ring. */
    appRings: apps * workers * 2 * APP_RING_WORDS,

    /** [thread] and [thread][device] float64 words, devDrops by reason as well. */
    counters: threads * COUNTERS * 2,
    devStats: threads * devices * DEV_STATS * 2,
    devDrops: threads * devices * DROP_REASONS * 2,
    flows: workers * config.flows * FLOW_WORDS,
    /** Heads of each thread's timer wheel (base/timer-wheel.ts). */
    wheels: threads * WHEEL_WORDS,
    /** [thread] what it holds of packet memory. */
    held: threads * HELD_WORDS,
    /** A page of scratch for each thread: cross-family keys, headers being built. */
    scratch: threads * SCRATCH_WORDS,

    /** Socket rows of worker w, with their free stack and slab header (see slab.ts). */
    sockSlabs: workers * (32 + socks + socks * SOCK_WORDS),

    /** Reference count of each buffer; small ones first. */
    bufferRefs: threads * (smallBuffers + largeBuffers),
    /** [thread] stacks of free rows and buffers, each led by its depth. */
    freeSkbs: threads * (32 + skbs),
    freeSmalls: threads * (32 + smallBuffers),
    freeLarges: threads * (32 + largeBuffers),
    skbRows: threads * skbs * SKB_WORDS,
    /** The buffers themselves, small and large. */
    smalls: threads * smallBuffers * (SMALL_BYTES / 4),
    larges: threads * largeBuffers * (LARGE_BYTES / 4),
  }
}
type Region = keyof ReturnType<typeof regionWords>

/** Words in front of the first region: globals. */
const HEAD_WORDS = 64
/** Bytes behind the last one, so that what looks a little past a buffer's end looks into the arena. */
const TAIL_BYTES = 65536
/** A byte offset is an int32, the end of the last buffer included. */
export const MAX_ARENA_BYTES = 2 ** 31 - 65536

/** Regions start on a 128-byte boundary. */
const aligned = (words: number): number => Math.ceil(words / 32) * 32

/** The sum: what an arena of this configuration takes, in bytes. */
const sumBytes = (config: ArenaConfig): number => {
  let words = HEAD_WORDS
  for (const size of Object.values(regionWords(config))) words += aligned(size)
  return words * 4 + TAIL_BYTES
}

/** Pools that give way when there are too many threads for their size, with the region each fills and what must stay. */
const SHRINKING = [
  { pool: 'smallBuffers', region: 'smalls', least: 1024 },
  { pool: 'largeBuffers', region: 'larges', least: 64 },
  { pool: 'socks', region: 'sockSlabs', least: 1024 },
] as const

/**
 * The configuration with pools that fit the arena: as asked for where they do; else the largest pool is halved, again
 * and again, none below its least. Throws when even so it is too much, and says what takes the room.
 */
export const fitPools = (wanted: ArenaConfig): ArenaConfig => {
  const config = { ...wanted }
  while (sumBytes(config) > MAX_ARENA_BYTES) {
    const words = regionWords(config)
    const [largest] = SHRINKING.filter(({ pool, least }) => config[pool] / 2 >= least).sort(
      (a, b) => words[b.region] - words[a.region]
    )
    if (largest === undefined) throw new Error(tooMuch(config))
    config[largest.pool] /= 2
  }
  return config
}
const tooMuch = (config: ArenaConfig): string => {
  const inMiB = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`
  const takers = Object.entries(regionWords(config))
    .sort(([, a], [, b]) => b - a)
    .slice(0, 4)
    .map(([name, words]) => `${name} ${inMiB(words * 4)}`)
  return `arena: ${threadsOf(config)} threads need ${inMiB(sumBytes(config))} of at most ${inMiB(MAX_ARENA_BYTES)}, their pools at the least: ${takers.join(', ')}`
}

const check = (config: ArenaConfig): void => {
  if (config.workers > MAX_WORKERS)
    throw new Error(`workers: ${config.workers} are more than ${MAX_WORKERS}`)
  pow2('skbs', config.skbs)
  pow2('smallBuffers', config.smallBuffers)
  pow2('largeBuffers', config.largeBuffers)
  pow2('backlog', config.backlog)
  pow2('flows', config.flows)
  pow2('captureRing', config.captureRing)
}

export type Layout = ReturnType<typeof computeLayout>

/** Computes the map; `config` in it has the pools that fit. Throws on a size that cannot be. */
export const computeLayout = (wanted: ArenaConfig) => {
  check(wanted)
  const config = fitPools(wanted)
  const threads = threadsOf(config)
  const words = regionWords(config)
  const at = {} as Record<Region, number>
  let next = HEAD_WORDS
  for (const region of Object.keys(words) as Region[]) {
    at[region] = next
    next += aligned(words[region])
  }
  const { counters, devStats, devDrops, mfcStats, vifStats, smalls, larges, ...regions } = at
  return {
    config,
    threads,
    controlThread: threads - 1,
    nicThread: config.workers,
    appThread: config.workers + config.nics,
    ...regions,

    backlogRingWords: RING_HEADER + config.backlog,
    ipiRingWords: RING_HEADER + IPI_SLOTS * IPI_SLOT_WORDS,
    portRingWords: RING_HEADER + PORT_SLOTS,
    captureRingWords: RING_HEADER + config.captureRing,
    returnSlots: returnSlots(config),
    returnRingWords: RING_HEADER + returnSlots(config),
    ownedFlowBuckets: ownedFlowBuckets(config),
    ownedFlowWords: ownedFlowWords(config),
    sockSlabWords: 32 + config.socks + config.socks * SOCK_WORDS,
    mcMemberWords: slabWords(config.members, MC_MEMBER_WORDS),
    mcSourceWords: slabWords(config.members * MC_SOURCES, MC_SOURCE_WORDS),
    mcRows: mcRows(config),
    mfcWords: mfcWords(config),
    mcBuckets: mcBuckets(config),

    /** f64 regions, as indices into the Float64Array view. */
    countersF64: counters >> 1,
    devStatsF64: devStats >> 1,
    devDropsF64: devDrops >> 1,
    mfcStatsF64: mfcStats >> 1,
    vifStatsF64: vifStats >> 1,
    /** Buffers of each class; and where the first lies, as byte offsets. */
    smalls: threads * config.smallBuffers,
    larges: threads * config.largeBuffers,
    smallBytes: smalls * 4,
    largeBytes: larges * 4,
    totalBytes: next * 4 + TAIL_BYTES,
  }
}
