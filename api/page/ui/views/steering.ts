/** The RSS table of a device: which worker each bucket is for. Buckets are dragged, or moved by the keyboard. */
import type { FlowItem, RssItem } from '../../../../core/control/text/messages.ts'
import { curl, edit, get, list } from '../api.ts'
import { button, h, setText, workerChip, workerColor } from '../dom.ts'
import { rate } from '../format.ts'
import type { Sample } from '../model.ts'
import { createRates } from '../rates.ts'
import type { View, ViewDeps } from '../view.ts'

const TABLE = 'rss-indirection-table'
const FLOWS = '/v1/flows?limit=2000'
/** What is to be put, of the table as it is. */
type Wanted = (table: readonly number[]) => object

export const createSteeringView = ({ say, refresh }: ViewDeps): View => {
  let device = ''
  let table: number[] = []
  let workers = 0
  let undo: Wanted | null = null
  let asked: object | null = null
  const selected = new Set<number>()
  let anchor = 0
  const rates = createRates()
  const loads = new Map<number, { flows: number; rate: number }>()

  const select = h('select', { 'aria-label': 'device', 'data-role': 'device' })
  select.addEventListener('change', () => {
    device = select.value
    undo = null
    selected.clear()
    refresh()
  })
  const lanes = h('div', { class: 'lanes' })
  const buckets: HTMLButtonElement[] = []
  const path = (): string => `/v1/links/${device}/rss`

  const put = async (wanted: Wanted): Promise<void> => {
    let before: number[] = []
    try {
      const { [TABLE]: after } = await edit<RssItem>(path(), (rss) => {
        before = rss[TABLE]
        asked = wanted(before)
        return asked
      })
      // what others have moved since stays where it is
      undo = (now) => ({
        [TABLE]: now.map((worker, at) => (after[at] === before[at] ? worker : before[at]!)),
      })
      selected.clear()
      mark()
      say(`${device}: the table is in force on every thread`)
    } catch (error) {
      say((error as Error).message, true)
    }
    refresh()
  }
  const move = (worker: number): void => {
    if (selected.size === 0 || worker >= workers) return
    const moved = [...selected]
    if (moved.every((at) => table[at] === worker)) return
    void put((now) => ({ [TABLE]: now.map((old, at) => (moved.includes(at) ? worker : old)) }))
  }

  const choose = (
    bucket: number,
    { shiftKey, ctrlKey, metaKey }: MouseEvent | KeyboardEvent
  ): void => {
    if (!shiftKey && !ctrlKey && !metaKey) selected.clear()
    if (shiftKey) for (const at of range(anchor, bucket)) selected.add(at)
    else if (selected.has(bucket)) selected.delete(bucket)
    else selected.add(bucket)
    if (!shiftKey) anchor = bucket
    mark()
  }
  const mark = (): void =>
    buckets.forEach((element, at) => {
      element.setAttribute('aria-pressed', String(selected.has(at)))
    })

  const onKey = (event: KeyboardEvent, bucket: number): void => {
    const steps: Record<string, number> = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: 8,
      ArrowUp: -8,
    }
    const step = steps[event.key]
    if (step !== undefined) {
      event.preventDefault()
      const to = Math.max(0, Math.min(table.length - 1, bucket + step))
      buckets[to]!.focus()
      if (event.shiftKey) choose(to, event)
    } else if (/^[0-9]$/.test(event.key)) {
      if (!selected.has(bucket)) {
        selected.clear()
        selected.add(bucket)
      }
      move(Number(event.key))
    }
  }
  const makeBucket = (at: number): HTMLButtonElement => {
    const element = h(
      'button',
      { type: 'button', class: 'bucket', draggable: 'true', 'data-bucket': String(at) },
      String(at)
    )
    element.addEventListener('click', (event) => choose(at, event))
    element.addEventListener('keydown', (event) => onKey(event, at))
    element.addEventListener('dragstart', (event) => {
      if (!selected.has(at)) {
        selected.clear()
        selected.add(at)
        mark()
      }
      event.dataTransfer?.setData('text/plain', [...selected].join(','))
    })
    return element
  }
  const makeLane = (worker: number): HTMLElement => {
    const here = h('div', { class: 'buckets' })
    const note = h('span', { class: 'soft' })
    const take = button(
      'move here',
      `Moves the chosen buckets to worker ${worker} (key ${worker})`,
      () => move(worker)
    )
    take.dataset['take'] = String(worker)
    const lane = h(
      'div',
      { class: 'lane', 'data-lane': String(worker) },
      h(
        'div',
        { class: 'lane-head' },
        workerChip(worker),
        h('b', {}, `worker ${worker}`),
        note,
        take
      ),
      here
    )
    lane.style.borderLeftColor = workerColor(worker)
    lane.addEventListener('dragover', (event) => {
      event.preventDefault()
      lane.classList.add('over')
    })
    lane.addEventListener('dragleave', () => lane.classList.remove('over'))
    lane.addEventListener('drop', (event) => {
      event.preventDefault()
      lane.classList.remove('over')
      move(worker)
    })
    return lane
  }
  const build = (): void => {
    while (buckets.length < table.length) buckets.push(makeBucket(buckets.length))
    if (lanes.childElementCount !== workers)
      lanes.replaceChildren(...Array.from({ length: workers }, (_, worker) => makeLane(worker)))
  }

  /** How much goes over each bucket: the hash of a flow names it. */
  const measure = (flows: readonly FlowItem[], at: number): void => {
    loads.clear()
    for (const flow of flows) {
      if (flow['dev'] !== device || typeof flow['hash'] !== 'string') continue
      const bucket = Number.parseInt(flow['hash'], 16) % table.length
      const key = ['protocol', 'src', 'dst', 'sport', 'dport', 'worker']
        .map((word) => flow[word])
        .join(' ')
      const load = loads.get(bucket) ?? { flows: 0, rate: 0 }
      load.flows++
      load.rate += rates.rate(key, Number(flow['packets'] ?? 0), at)
      loads.set(bucket, load)
    }
  }
  const draw = (): void => {
    const most = Math.max(1, ...[...loads.values()].map((load) => load.rate))
    const focused = document.activeElement
    table.forEach((worker, at) => {
      const element = buckets[at]!
      const load = loads.get(at)
      const home = lanes.children[worker]?.querySelector('.buckets')
      if (home && element.parentElement !== home) home.append(element)
      element.style.setProperty(
        '--heat',
        String(load === undefined ? 0 : 0.15 + 0.85 * (load.rate / most))
      )
      element.style.setProperty('--own', workerColor(worker))
      const text =
        load === undefined ? 'no flow of late' : `${load.flows} flows, ${rate(load.rate)}`
      element.dataset['tip'] = `Bucket ${at}, worker ${worker}: ${text}`
      element.setAttribute('aria-label', `bucket ${at}, worker ${worker}`)
    })
    for (const lane of lanes.children) sortLane(lane)
    if (focused instanceof HTMLElement && focused !== document.activeElement) focused.focus()
    ;[...lanes.children].forEach((lane, worker) => {
      const own = table.flatMap((of, at) => (of === worker ? [loads.get(at)?.rate ?? 0] : []))
      const sum = own.reduce((all, one) => all + one, 0)
      setText(lane.querySelector('.soft')!, `${own.length} buckets, ${rate(sum)}`)
    })
    back.disabled = undo === null
  }

  const equal = button(
    'equal',
    'All workers the same: ethtool -X DEV equal N',
    () => void put(() => ({ equal: workers }))
  )
  equal.dataset['role'] = 'equal'
  const back = button('undo', 'The buckets where they were before', () => {
    if (undo !== null) void put(undo)
  })
  back.dataset['role'] = 'undo'
  const all = button('choose all', 'Chooses every bucket', () => {
    table.forEach((_, at) => {
      selected.add(at)
    })
    mark()
  })
  const bar = h(
    'div',
    { class: 'bar' },
    h('label', {}, h('span', { 'data-word': 'device' }, 'device'), ' ', select),
    equal,
    back,
    all
  )

  const fillSelect = ({ links }: Sample): void => {
    const names = links.map((link) => link.ifname)
    if (names.join() !== [...select.options].map((option) => option.value).join())
      select.replaceChildren(...names.map((name) => h('option', { value: name }, name)))
    if (!names.includes(device)) device = names.find((name) => name !== 'lo') ?? names[0] ?? ''
    select.value = device
  }
  return {
    id: 'steering',
    title: 'Steering',
    about:
      'The RSS table: the hash of a flow names a bucket, the bucket a worker. The stronger the colour, the more packets. Drag buckets to another worker; or choose with Space and arrows (Shift for many), then press the number of the worker. It takes effect at once, and no packet is lost.',
    element: h('div', {}, bar, lanes),
    update: async (sample) => {
      fillSelect(sample)
      workers = sample.workers.length
      if (device === '') return
      const [rss, flows] = await Promise.all([get<RssItem>(path()), list<FlowItem>(FLOWS)])
      table = rss[TABLE]
      build()
      measure(flows, sample.at)
      draw()
    },
    curl: () => [curl(path()), curl(path(), 'PUT', asked ?? { equal: workers }), curl(FLOWS)],
    data: () => ({ ifname: device, [TABLE]: table, buckets: Object.fromEntries(loads) }),
    reset: () => rates.forget(),
  }
}

const range = (a: number, b: number): number[] => {
  const [low, high] = a < b ? [a, b] : [b, a]
  return Array.from({ length: high - low + 1 }, (_, i) => low + i)
}

/** Buckets of a lane stand in the order of their numbers. */
const sortLane = (lane: Element): void => {
  const home = lane.querySelector('.buckets')!
  const wanted = [...home.children].sort(
    (a, b) =>
      Number((a as HTMLElement).dataset['bucket']) - Number((b as HTMLElement).dataset['bucket'])
  )
  wanted.forEach((element, at) => {
    if (home.children[at] !== element) home.insertBefore(element, home.children[at] ?? null)
  })
}
