/**
 * What the page knows: a sample of the daemon every second, the rates that follow from two of them, and what the plots
 * show. What only one view needs that view asks for itself.
 */
import type {
  AddressItem,
  DropItem,
  LinkItem,
  NeighItem,
  WorkerItem,
} from '../../../core/control/text/messages.ts'
import { get, list } from './api.ts'
import type { Change } from './watch.ts'
import { addSample, createRates, createSeries } from './rates.ts'

export type Worker = WorkerItem & {
  rate: number
  squeezeRate: number
  dropRate: number
  load: number
}
export type Link = LinkItem & {
  rxRate: number
  txRate: number
  rxBits: number
  txBits: number
  own: string[]
}
/** `since` and `byWorker` count from the reset on. */
export type Dropped = DropItem & { rate: number; since: number; byWorker: number[] }
export type NetnsItem = { name: string; pid?: number; addresses?: string[] }
export type Sample = {
  at: number
  /** That of the links. */
  revision: number
  version: string
  workers: Worker[]
  links: Link[]
  drops: Dropped[]
  neighs: NeighItem[]
  netns: NetnsItem[]
  nstat: Record<string, number>
  /** What each counter of nstat gains in a second. */
  gained: Record<string, number>
}

const CHANGES_KEPT = 300
/** Two looks that are closer than this make no rate. */
const CLOSE_SEC = 0.4
export type Model = ReturnType<typeof createModel>

const now = (): number => (performance.timeOrigin + performance.now()) / 1000

export const createModel = () => {
  const rates = createRates()
  const plots = {
    rate: createSeries(),
    load: createSeries(),
    vectors: createSeries(),
    squeeze: createSeries(),
    backlog: createSeries(),
  }
  const changes: Change[] = []
  let version = ''
  let sample: Sample | null = null
  /** A look that came after an interruption has nothing to compare with. */
  const interrupted = (): void => {
    rates.forget()
    version = ''
  }

  const readWorkers = (workers: WorkerItem[], at: number): Worker[] =>
    workers.map((worker) => ({
      ...worker,
      rate: rates.rate(`w${worker.cpu} processed`, worker.processed, at),
      squeezeRate: rates.rate(`w${worker.cpu} squeeze`, worker.time_squeeze, at),
      dropRate: rates.rate(`w${worker.cpu} dropped`, worker.dropped, at),
      load: perCall(worker, at),
    }))
  /** Vectors per call of the last second, not of all time. */
  const perCall = ({ cpu, vectors, calls }: WorkerItem, at: number): number => {
    const [v, c] = [
      rates.rate(`w${cpu} vectors`, vectors, at),
      rates.rate(`w${cpu} calls`, calls, at),
    ]
    return c === 0 ? 0 : v / c
  }
  const readLinks = (links: LinkItem[], addresses: AddressItem[], at: number): Link[] => {
    const own = new Map(
      addresses.map(({ ifname, addr_info }) => [
        ifname,
        addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`),
      ])
    )
    return links.map((link) => {
      const { rx, tx } = link.stats64
      const key = `l${link.ifindex}`
      return {
        ...link,
        own: own.get(link.ifname) ?? [],
        rxRate: rates.rate(`${key} rp`, rx.packets, at),
        txRate: rates.rate(`${key} tp`, tx.packets, at),
        rxBits: rates.rate(`${key} rb`, rx.bytes, at) * 8,
        txBits: rates.rate(`${key} tb`, tx.bytes, at) * 8,
      }
    })
  }
  const readDrops = (drops: DropItem[], at: number): Dropped[] =>
    drops.map((drop) => ({
      ...drop,
      rate: rates.rate(`d${drop.reason}`, drop.count, at),
      since: rates.since(`d${drop.reason}`, drop.count),
      byWorker: drop.worker.map((count, cpu) => rates.since(`d${drop.reason} ${cpu}`, count)),
    }))

  const remember = (workers: readonly Worker[], at: number): void => {
    const of = (read: (worker: Worker) => number): Record<string, number> =>
      Object.fromEntries(workers.map((worker) => [`worker ${worker.cpu}`, read(worker)]))
    addSample(
      plots.rate,
      at,
      of((worker) => worker.rate)
    )
    addSample(
      plots.load,
      at,
      of((worker) => worker.busy_ratio * 100)
    )
    addSample(
      plots.vectors,
      at,
      of((worker) => worker.load)
    )
    addSample(
      plots.squeeze,
      at,
      of((worker) => worker.squeezeRate)
    )
    addSample(
      plots.backlog,
      at,
      of((worker) => worker.backlog_len)
    )
  }

  const look = async (): Promise<Sample> => {
    if (sample !== null && version !== '' && now() - sample.at < CLOSE_SEC) return sample
    if (version === '') version = (await get<{ version: string }>('/version')).version
    const [workers, links, addresses, drops, neighs, netns, { kernel }] = await Promise.all([
      list<WorkerItem>('/v1/workers'),
      get<{ items: LinkItem[]; revision: number }>('/v1/links'),
      list<AddressItem>('/v1/addresses'),
      list<DropItem>('/v1/drops'),
      list<NeighItem>('/v1/neighs?limit=500'),
      list<NetnsItem>('/v1/netns'),
      get<{ kernel: Record<string, number> }>('/v1/nstat'),
    ])
    const at = now()
    const gained = Object.fromEntries(
      Object.entries(kernel).map(([name, value]) => [name, rates.rate(`n${name}`, value, at)])
    )
    sample = {
      at,
      version,
      revision: links.revision,
      workers: readWorkers(workers, at),
      links: readLinks(links.items, addresses, at),
      drops: readDrops(drops, at),
      neighs,
      netns,
      nstat: kernel,
      gained,
    }
    remember(sample.workers, at)
    return sample
  }

  return {
    look,
    interrupted,
    plots,
    changes,
    sample: () => sample,
    addChange: (change: Change): void => {
      changes.unshift(change)
      if (changes.length > CHANGES_KEPT) changes.pop()
    },
    /** Counts from now on, and empties the plots. */
    reset: (): void => {
      const drops = sample?.drops ?? []
      rates.reset(
        drops.flatMap(({ reason, count, worker }) => [
          [`d${reason}`, count] as const,
          ...worker.map((of, cpu) => [`d${reason} ${cpu}`, of] as const),
        ])
      )
      for (const series of Object.values(plots)) {
        series.times.length = 0
        series.columns.clear()
      }
      changes.length = 0
    },
  }
}
