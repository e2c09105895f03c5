/**
 * The one map of shared memory: which region lies where, how big it is, and who writes it.
 *
 * Everything a stack shares between its threads lies in one arena, a SharedArrayBuffer (or a plain
 * ArrayBuffer when one thread runs everything, as tests and simulations do). The map is a pure function of
 * the configuration, so each thread computes the same one (compute-layout.ts). Addresses are word indices into the
 * Int32Array view unless the name ends in `Bytes`. Byte offsets are int32, so an arena has at most 2^31 bytes: with many
 * threads each one's pools are smaller (fitPools).
 *
 * THE LOCK ORDER. A word has one writer; an skb has one owner; nothing here is locked.
 *
 * | region                 | writer                                   | readers                       |
 * |------------------------|------------------------------------------|-------------------------------|
 * | globals                | control                                  | all                           |
 * | thread block t         | thread t (DOORBELL: any, by Atomics)     | all                           |
 * | sysctl, reservedPorts, rss | control                              | all                           |
 * | devices, deviceFds, devConf | control                             | all                           |
 * | ifaddrs, nexthops, nhBuckets | control, published by generation   | all                           |
 * | nhBucketUse            | worker w (then control) writes its column | control                      |
 * | fibTables, Roots, Nodes, Rules | control, published by generation | all                           |
 * | fibPrefixes                    | control, under FP_SEQ            | all                           |
 * | redirects, pmtus of w  | worker w                                 | worker w, control             |
 * | fragMemory of w        | worker w                                 | workers                       |
 * | sockFlows              | the worker that owns the flow            | threads that steer            |
 * | ownedFlows, synqOverflow of w | worker w                          | workers                       |
 * | neighbours, neighIndex | worker 0, entry by entry (seqlock)       | all                           |
 * | pneighs                | control                                  | all                           |
 * | neighUse               | worker w writes column w                 | worker 0, control             |
 * | mcMembers, mcSources of t | thread t (workers, control)           | worker 0, control             |
 * | mfc                    | set: control; found: worker 0 (a seqlock each) | all                     |
 * | mfcStats, vifStats of w | worker w (cleared by who makes the route) | all                        |
 * | mcTable, mcGroupSources | worker 0 (seqlock; MCT_RESYNC: any, by Atomics; MCT_CONTROL: control) | all |
 * | backlog, ipi, port and return ring (from, to) | tail side: thread from; head side: to | all (lengths) |
 * | skb row, buffer, its bufferRefs | the skb's owner: the thread that allocated it, then the one whose ring it went into |
 * | free stacks of t       | thread t                                 | all (gauges)                  |
 * | counters, devStats, devDrops, flows, wheel, held, scratch of t | thread t (control clears a new device's) | all |
 * | sockSlab of w          | worker w                                 | all                           |
 * | captures               | control, before G_CAPTURES names one     | threads that handle packets   |
 * | capture ring and captureLost of t | tail side, lost: thread t; head side: control | the other     |
 * | app block a            | app a; control once it died              | workers (SLEEPING: by Atomics) |
 * | app pair (a, w)        | worker w                                 | app a                         |
 * | app rings (a, w)       | submissions: app a; completions: worker w | the other                    |
 *
 * An skb changes owner only by going through a ring. Data shared between clones never changes thread
 * (see skb/skb-copy.ts), so reference counts are plain words. What a dead owner held is found by its OWNER word.
 *
 * THE ROWS. A row is named by the word index of its start, a field by that plus a constant; each kind's are in one file:
 *
 * | row                    | words            | file                                                    |
 * |------------------------|------------------|---------------------------------------------------------|
 * | skb                    | SKB_*            | core/skb/skb.ts                                         |
 * | its control block      | IPCB_*           | core/inet/inet-constants.ts, while IP holds it          |
 * |                        | CB_*             | core/transport/tcp/sock/tcp-cb.ts, while TCP does       |
 * | device                 | DEV_*            | core/netdev/netdev.ts; DEV_PRIV on: its driver          |
 * | a device's settings    | Conf4, Conf6     | core/shm/devconf.ts                                     |
 * | socket                 | SK_*             | core/socket/sock.ts                                     |
 * | TCP socket             | TP_*             | core/transport/tcp/sock/tcp-sock.ts, from SK_PROTO on   |
 * | raw socket             | RAW_*            | core/transport/raw/raw-constants.ts, from SK_PROTO on   |
 * | packet socket          | PK_*             | core/packet/packet-constants.ts, from SK_PROTO on       |
 * | what IP has of sockets | SK_*             | core/socket/inet-sock.ts, from SK_INET on               |
 * | neighbour              | NEIGH_*          | core/neigh/neigh-constants.ts                           |
 * | proxied neighbour      | PN_*             | core/neigh/pneigh-constants.ts                          |
 * | nexthop                | NH_*             | core/inet/fib/nexthop-constants.ts                      |
 * | routing table          | FT_*             | core/inet/fib/trie/fib-tables.ts                        |
 * | prefix                 | FP_*             | core/inet/fib/trie/fib-prefix-hash.ts                   |
 * | policy rule            | FR_*             | core/inet/fib/rules/fib-rule-constants.ts               |
 * | address                | IFA_*            | core/inet/addr/ifaddr-constants.ts                      |
 * | membership, group, source | MCM_*, MCG_*, MCS_* | core/inet/mc/mc-constants.ts                      |
 * | multicast route        | MFC_*            | core/inet/mc/mfc-constants.ts                           |
 * | recent flow            | FLOW_*           | core/softnet/flow-table.ts                              |
 * | capture                | CAP_*, CR_*      | core/dev/capture-constants.ts                           |
 * | RSS state              | KEY, INDIR, ...  | core/steering/rss.ts                                    |
 * | app block, app pair, record of an app ring | APP_*, PAIR_*, E_* | core/socket/app-constants.ts      |
 * | thread block           | THREAD_*         | here                                                    |
 */

export type ArenaConfig = {
  /** Workers ("CPUs"), 1..MAX_WORKERS. Thread ids 0..workers-1. */
  workers: number
  /** Threads that receive from devices. Thread ids from `workers`. */
  nics: number
  /** Threads of applications, and peers that put packets into the arena. The last thread is control. */
  apps: number
  /** skb rows and 2 KB buffers of each thread; powers of two. Buffers and sockets are what is had at most: fitPools. */
  skbs: number
  smallBuffers: number
  /** 68 KB buffers of each thread; a power of two. */
  largeBuffers: number
  /** Capacity of a backlog ring; a power of two, at least net.core.netdev_max_backlog. */
  backlog: number
  /** Sockets (rows) of each worker. */
  socks: number
  devices: number
  ifaddrs: number
  nexthops: number
  /** Buckets of resilient nexthop groups, of all together. */
  nhBuckets: number
  /** Routing tables: six of a net, and those that are made for routes. A root is 256 KB. */
  fibTables: number
  /** Pages (256 words) of the forwarding tries: a full Internet table takes some 80,000. They take memory as they are used. */
  fibNodes: number
  /** Policy rules, those that every net begins with among them; one row is the head of them all. */
  fibRules: number
  neighbours: number
  /** Rows of each worker's table of recent flows; a power of two. */
  flows: number
  /** Multicast memberships of each worker's sockets, and of control. */
  members: number
  /** Multicast routes that are set, and as many that are found. */
  mroutes: number
  /** Words of the ring by which each thread hands captured frames to control; a power of two. */
  captureRing: number
}

export const DEFAULT_ARENA: ArenaConfig = {
  workers: 2,
  nics: 1,
  apps: 3,
  skbs: 8192,
  smallBuffers: 8192,
  largeBuffers: 512,
  backlog: 4096,
  socks: 65_536,
  devices: 128,
  ifaddrs: 512,
  nexthops: 32_768,
  nhBuckets: 65_536,
  fibTables: 32,
  fibNodes: 131_072,
  fibRules: 512,
  neighbours: 4096,
  flows: 1024,
  members: 512,
  mroutes: 256,
  captureRing: 1 << 18,
}

/** A stack on one thread, for simulated hosts and tests. */
export const SMALL_ARENA: ArenaConfig = {
  workers: 1,
  nics: 0,
  apps: 0,
  skbs: 2048,
  smallBuffers: 2048,
  largeBuffers: 64,
  backlog: 1024,
  socks: 256,
  devices: 8,
  ifaddrs: 32,
  nexthops: 256,
  nhBuckets: 512,
  fibTables: 8,
  fibNodes: 512,
  fibRules: 64,
  neighbours: 128,
  flows: 64,
  members: 64,
  mroutes: 32,
  captureRing: 1 << 15,
}

/** Masks of workers are one word. */
export const MAX_WORKERS = 32

// Globals (words from GLOBALS).
const GLOBALS = 32
/** Rises with each change that control publishes; workers answer by copying it to THREAD_ACK. */
export const G_GENERATION = GLOBALS
/** Set to make every thread leave its loop. */
export const G_SHUTDOWN = GLOBALS + 1
/** Captures that are open (bits), and those of them that want what dies too. */
export const G_CAPTURES = GLOBALS + 2
export const G_CAPTURE_DROPS = GLOBALS + 3
/** Those of them that are traces. */
export const G_TRACES = GLOBALS + 4
/** Pages of the forwarding tries that were ever used: the first ones. */
export const G_FIB_PAGES = GLOBALS + 5
/** Of the hash that chooses among next hops; control, with the first route that has several. */
export const G_MULTIPATH_SEED = GLOBALS + 6
/** Which built-in services the workers run (bits, socket/services/services.ts): none until the stack is configured. */
export const G_SERVICES = GLOBALS + 7

// Thread block: 64 words (four cache lines) a thread.
export const THREAD_WORDS = 64
/** Last generation this thread has passed a quiescent point with. */
export const THREAD_ACK = 0
/** 1 while the thread sleeps on its doorbell. */
export const THREAD_SLEEPING = 1
/** Rises on each turn of the loop: a stalled worker is one whose heart stands still. */
export const THREAD_HEARTBEAT = 2
/** 1 once the thread's loop runs. */
export const THREAD_RUNNING = 3
/** How often the thread was restarted after an error. */
export const THREAD_RESTARTS = 4
/** eventfd to ring when the thread sleeps in poll(2); 0 when it sleeps in Atomics.wait. */
export const THREAD_EVENTFD = 5
/** Microseconds spent busy and asleep since the start; float64, two words each. */
export const THREAD_BUSY_US = 6
export const THREAD_IDLE_US = 8
/** Word that others notify. */
export const THREAD_DOORBELL = 32

// Buffers.
const SMALL_SHIFT = 11
export const SMALL_BYTES = 1 << SMALL_SHIFT
export const LARGE_BYTES = 68 * 1024
/** Words of an skb row (four cache lines). */
export const SKB_SHIFT = 6
export const SKB_WORDS = 1 << SKB_SHIFT

// Rings.
export const RING_HEADER = 64
export const IPI_SLOT_WORDS = 16
export const IPI_SLOTS = 512

/** Rings between an application and a worker: records of 16 words (core/socket/app-constants.ts). */
export const APP_RECORD_WORDS = 16
export const APP_RING_RECORDS = 1024
export const APP_RING_WORDS = RING_HEADER + APP_RING_RECORDS * APP_RECORD_WORDS

// Fixed-size regions.
/** App block: 32 words an application; app pair: 32 words for each (application, worker). */
export const APP_BLOCK_WORDS = 32
export const APP_PAIR_WORDS = 32
export const SYSCTL_WORDS = 256
/** Families whose datagrams are put together (inet/inet-fragment.ts). */
export const FRAG_FAMILIES = 2
/** A bit for each port that is reserved (net.ipv4.ip_local_reserved_ports). */
export const PORT_BITS_WORDS = 65536 / 32
export const DEVICE_WORDS = 128
/** A device's settings (devconf.ts): half of them IPv4's, half IPv6's. */
export const DEV_CONF_WORDS = 256
/** Descriptors of a device: one a queue, as many queues as there can be workers. */
export const DEVICE_FDS = MAX_WORKERS
/** Steering state of a device: RSS (steering/rss.ts), then the RPS map (steering/rps.ts). */
export const RSS_WORDS = 256
export const RPS_MAP_OFFSET = 160
/** Entries of the RFS tables: of all flows, and at most of each device (a table of the thread that steers). */
export const SOCK_FLOWS = 32768
export const DEV_FLOWS = 4096
export const IFADDR_WORDS = 16
export const NEXTHOP_WORDS = 32
/** Next hops that a worker learns from redirects (inet/dst/redirects.ts), and path MTUs (pmtu.ts); powers of two. */
export const REDIRECTS = 64
export const REDIRECT_WORDS = 8
export const PMTUS = 2048
export const PMTU_WORDS = 8
/** A page of the forwarding tries: a node, or buckets (inet/fib/trie/fib-constants.ts). */
export const FIB_NODE_WORDS = 256
/** Words for the first eight bits, in front of a root, and its own: one for each value of the first 16. */
export const FIB_SHORT_WORDS = 256
export const FIB_ROOT_WORDS = FIB_SHORT_WORDS + 65536
/** Row of the map of tables (inet/fib/trie/fib-tables.ts). */
export const FIB_TABLE_WORDS = 4
/**
 * The prefixes of a family (inet/fib/trie/fib-prefix-hash.ts): words in front, how many of each length a table has, and rows. A prefix that
 * fits into less than a page of the tries takes no more: so many there can be for each page.
 */
export const FIB_PREFIX_HEAD = 32
export const FIB_PREFIX_LENGTHS = 129
export const FIB_PREFIX_WORDS = 8
export const FIB_PREFIXES_A_PAGE = 16
export const fibPrefixWords = ({ fibTables, fibNodes }: ArenaConfig): number =>
  FIB_PREFIX_HEAD +
  fibTables * FIB_PREFIX_LENGTHS +
  (fibNodes * FIB_PREFIXES_A_PAGE + 2) * FIB_PREFIX_WORDS
export const FIB_RULE_WORDS = 32
export const NEIGH_WORDS = 32
/** Addresses that we answer for on behalf of others, with row 0, which is none. */
export const PNEIGH_WORDS = 8
export const PNEIGHS = 256
/** Rows of multicast (inet/mc/mc-constants.ts), the words in front of the table of groups, and sources for each membership. */
export const MC_MEMBER_WORDS = 16
export const MC_SOURCE_WORDS = 8
export const MC_GROUP_WORDS = 16
export const MC_TABLE_HEAD = 32
export const MC_SOURCES = 4
/** Groups that a device has without being asked. */
export const MC_STANDING = 8
export const MFC_WORDS = 64
export const MFC_STATS = 4
export const VIF_STATS = 4
export const SOCK_WORDS = 512
export const FLOW_WORDS = 16
/** Port devices (a peer in another thread), and the slots of each of their rings. */
export const PORTS = 128
export const PORT_SLOTS = 1024
/** Counters of a bank (counters.ts), and how many of them, at its end, are those of drop reasons (skb/drop.ts). */
export const COUNTERS = 1024
export const DROP_REASONS = 256
export const DEV_STATS = 32
export const SCRATCH_WORDS = 1024
/** Captures at once; a row of one, its program included (dev/capture-constants.ts). */
export const MAX_CAPTURES = 8
export const CAPTURE_WORDS = 2080
/** A bucket of the owned flows (transport/owned-flows.ts): a cache line. */
export const OWNED_FLOW_BUCKET_WORDS = 16
/** Ports of listeners, by their lowest bits: when one last had no place for a request (listen/tcp-syncookies.ts). */
export const SYNQ_OVERFLOW_WORDS = 64
/** Gauges of what a thread holds of packet memory: small and large slots of each holder (skb/budget.ts). */
export const HELD_WORDS = 32
