/**
 * What is told of a worker: the columns of /proc/net/softnet_stat, and ours beside them. One row each, and from it follow
 * the counter's place (counters.ts), the item of control and the API, its schema, the file, the table of `softnet
 * softnet-stat`, and the metric. To add a counter is to write its row, and to raise it where it happens; a gauge is
 * looked at in control/diag/stats.ts. Linux: net/core/net-procfs.c softnet_seq_show().
 */

/** counter: only rises. gauge: goes up and down. flag: is or is not. label: says which, measures nothing. */
type Type = 'counter' | 'gauge' | 'flag' | 'label'
type Column = {
  readonly name: string
  readonly type: Type
  /** Who counts: the worker itself, or whoever enqueues for it (at `Softnet.name + cpu`). None: control looks. */
  readonly by?: 'worker' | 'sender'
  /** Place in a line of /proc/net/softnet_stat. */
  readonly proc?: number
  /** Head of its column in the table for people, and how its number is written there. */
  readonly title?: string
  readonly as?: 'decimal' | 'percent'
  readonly help: string
}

export const SOFTNET_STAT = [
  {
    name: 'processed',
    type: 'counter',
    by: 'worker',
    proc: 0,
    title: 'processed',
    help: 'Packets that net_rx_action took.',
  },
  {
    name: 'dropped',
    type: 'counter',
    by: 'sender',
    proc: 1,
    title: 'dropped',
    help: 'Packets for this CPU that found its backlog full, or no memory.',
  },
  {
    name: 'time_squeeze',
    type: 'counter',
    by: 'worker',
    proc: 2,
    title: 'time_squeeze',
    help: 'Calls of net_rx_action that ended by budget or time with packets left.',
  },
  {
    name: 'received_rps',
    type: 'counter',
    by: 'worker',
    proc: 9,
    title: 'received_rps',
    help: 'Packets that another thread put on the backlog.',
  },
  {
    name: 'flow_limit_count',
    type: 'counter',
    by: 'sender',
    proc: 10,
    title: 'flow_limit',
    help: 'Packets for this CPU that the flow limit dropped.',
  },
  {
    name: 'backlog_len',
    type: 'gauge',
    proc: 11,
    title: 'backlog',
    help: 'Packets in the backlog.',
  },
  { name: 'cpu', type: 'label', proc: 12, help: 'Number of the worker.' },
  { name: 'input_qlen', type: 'gauge', proc: 13, help: 'Packets in the input queue: the backlog.' },
  {
    name: 'process_qlen',
    type: 'gauge',
    proc: 14,
    help: 'Packets taken off the backlog and not yet worked on: none, as rings are worked on in place.',
  },
  {
    name: 'calls',
    type: 'counter',
    by: 'worker',
    help: 'Calls of net_rx_action that found packets.',
  },
  { name: 'vectors', type: 'counter', by: 'worker', help: 'Packets that these calls took.' },
  {
    name: 'vectors_per_call',
    type: 'gauge',
    title: 'vectors/call',
    as: 'decimal',
    help: 'vectors by calls, of the last seconds.',
  },
  {
    name: 'busy_ratio',
    type: 'gauge',
    title: 'busy',
    as: 'percent',
    help: 'Share of the last seconds that the worker was at work.',
  },
  {
    name: 'steered',
    type: 'counter',
    by: 'worker',
    help: 'Packets put on the backlog of another worker.',
  },
  { name: 'sockets', type: 'gauge', title: 'sockets', help: 'Sockets of the worker.' },
  {
    name: 'restarts',
    type: 'counter',
    title: 'restarts',
    help: 'Times that the worker was begun anew.',
  },
  {
    name: 'sockets_lost',
    type: 'counter',
    by: 'worker',
    help: 'Sockets lost because the worker was begun anew.',
  },
  {
    name: 'skbs_recovered',
    type: 'counter',
    by: 'worker',
    help: 'Packets that a worker which was begun anew had held.',
  },
  // as /proc/net/stat/arp_cache has them, whichever family asked
  { name: 'neigh_allocs', type: 'counter', by: 'worker', help: 'Neighbour entries made.' },
  {
    name: 'neigh_res_failed',
    type: 'counter',
    by: 'worker',
    help: 'Neighbours that did not answer.',
  },
  {
    name: 'neigh_unres_discards',
    type: 'counter',
    by: 'worker',
    help: 'Packets dropped while their neighbour was looked for.',
  },
  {
    name: 'neigh_table_fulls',
    type: 'counter',
    by: 'worker',
    help: 'Neighbour entries that found the table full.',
  },
  {
    name: 'arp_conflicts',
    type: 'counter',
    by: 'worker',
    help: 'ARP frames of other stations that have an address of ours.',
  },
  {
    name: 'ndisc_conflicts',
    type: 'counter',
    by: 'worker',
    help: 'Neighbour advertisements of other stations for an address of ours.',
  },
  {
    name: 'ra_limited',
    type: 'counter',
    by: 'worker',
    help: 'What routers advertised that was not believed, since there was too much of it.',
  },
  {
    name: 'neigh_rcv_probes_mcast',
    type: 'counter',
    by: 'worker',
    help: 'Broadcast or multicast questions for our addresses.',
  },
  {
    name: 'neigh_rcv_probes_ucast',
    type: 'counter',
    by: 'worker',
    help: 'Unicast questions for our addresses.',
  },
  { name: 'sleeping', type: 'flag', help: 'It waits for work.' },
  { name: 'running', type: 'flag', help: 'It is there.' },
  { name: 'heartbeat', type: 'label', help: 'Changes with every turn of its loop.' },
] as const satisfies readonly Column[]

type Columns = (typeof SOFTNET_STAT)[number]
type Name<Which> = Extract<Columns, Which>['name']
/** Those that the worker counts, those that whoever enqueues counts for it, and those that are looked at. */
type WorkerCounter = Name<{ by: 'worker' }>
type SenderCounter = Name<{ by: 'sender' }>
export type Looked = Exclude<Columns['name'], WorkerCounter | SenderCounter>

/** A worker's columns by name. */
export type WorkerStat = {
  [C in Columns as C['name']]: C['type'] extends 'flag' ? boolean : number
}

const namesBy = (by: 'worker' | 'sender'): string[] =>
  SOFTNET_STAT.filter((column: Column) => column.by === by).map(({ name }) => name)
export const WORKER_COUNTERS = namesBy('worker') as WorkerCounter[]
export const SENDER_COUNTERS = namesBy('sender') as SenderCounter[]
