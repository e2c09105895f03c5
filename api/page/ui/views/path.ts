/** A packet's way, live: devices, the nic thread, backlogs, workers, layers, and where packets die. */
import { curl } from '../api.ts'
import { h, setText, workerColor } from '../dom.ts'
import type { Edge } from '../flow.ts'
import { createFlow } from '../flow.ts'
import { bits, count, percent, rate, whole } from '../format.ts'
import type { Dropped, Link, Sample } from '../model.ts'
import type { View } from '../view.ts'
import { reasonText, WORDS } from '../words.ts'

type Stage = {
  id: string
  word: string
  title: string
  /** Counters of nstat whose sum is what passes. */
  counters: readonly string[]
  where: string
}

/** The layers in the order of the way, with the files that do it. */
const LAYERS: readonly Stage[] = [
  { id: 'ether', word: 'ether', title: 'Ethernet', counters: [], where: 'core/dev/receive.ts' },
  {
    id: 'ip-input',
    word: 'ip-input',
    title: 'IP input',
    counters: ['IpInReceives', 'Ip6InReceives'],
    where: 'core/ipv4/ip-input.ts',
  },
  {
    id: 'route',
    word: 'route',
    title: 'routing',
    counters: ['IpForwDatagrams', 'Ip6OutForwDatagrams', 'IpInDelivers', 'Ip6InDelivers'],
    where: 'core/inet/fib/route.ts',
  },
  {
    id: 'forward',
    word: 'forward',
    title: 'forward',
    counters: ['IpForwDatagrams', 'Ip6OutForwDatagrams'],
    where: 'core/ipv4/ip-forward.ts',
  },
  {
    id: 'local',
    word: 'local',
    title: 'for us',
    counters: ['IpInDelivers', 'Ip6InDelivers'],
    where: 'core/inet/inet-protos.ts',
  },
  {
    id: 'icmp',
    word: 'icmp',
    title: 'ICMP',
    counters: ['IcmpInMsgs', 'Icmp6InMsgs'],
    where: 'core/ipv4/icmp/icmp.ts',
  },
  {
    id: 'udp',
    word: 'udp',
    title: 'UDP',
    counters: ['UdpInDatagrams', 'Udp6InDatagrams'],
    where: 'core/transport/udp/udp-input.ts',
  },
  {
    id: 'tcp',
    word: 'tcp',
    title: 'TCP',
    counters: ['TcpInSegs'],
    where: 'core/transport/tcp/rcv/tcp-input.ts',
  },
  { id: 'socket', word: 'socket', title: 'sockets', counters: [], where: 'core/socket/sockets.ts' },
  {
    id: 'ip-output',
    word: 'ip-output',
    title: 'IP output',
    counters: ['IpOutTransmits', 'Ip6OutTransmits'],
    where: 'core/ipv4/ip-output.ts',
  },
  {
    id: 'neighbour',
    word: 'neighbour',
    title: 'neighbour',
    counters: [],
    where: 'core/neigh/neighbour.ts',
  },
  { id: 'qdisc', word: 'qdisc', title: 'qdisc', counters: [], where: 'core/dev/dev-queue-xmit.ts' },
]

type Box = {
  element: HTMLButtonElement
  figure: HTMLElement
  small: HTMLElement
  gauge: HTMLElement
  drops: HTMLElement
}

const createBox = (id: string, title: string, word: string): Box => {
  const figure = h('b')
  const small = h('small')
  const gauge = h('i', { class: 'gauge' })
  const drops = h('span', { class: 'dropped', hidden: true })
  const element = h(
    'button',
    { type: 'button', class: 'box', 'data-box': id, 'data-word': word },
    h('span', { class: 'name' }, title),
    figure,
    small,
    h('span', { class: 'meter' }, gauge),
    drops
  )
  return { element, figure, small, gauge, drops }
}

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((all, item) => all + of(item), 0)

export const createPathView = (): View => {
  const boxes = new Map<string, Box>()
  const words = new Map<string, string>()
  let chosen = 'backlog'
  let last: Sample | null = null

  const columns = {
    in: h('div', { class: 'column', 'data-head': 'devices' }),
    nic: h('div', { class: 'column', 'data-head': 'nic thread' }),
    backlogs: h('div', { class: 'column', 'data-head': 'backlogs' }),
    workers: h('div', { class: 'column', 'data-head': 'workers' }),
    layers: h('div', { class: 'layers', 'data-head': 'the layers, in each worker' }),
    out: h('div', { class: 'column', 'data-head': 'devices' }),
  }
  const picture = h('div', { class: 'picture' }, ...Object.values(columns))
  const flow = createFlow(picture)
  const detail = h('aside', { class: 'detail', 'aria-live': 'off' })
  const element = h('div', {}, picture, detail)

  const boxOf = (id: string, title: string, word: string, parent: HTMLElement): Box => {
    const there = boxes.get(id)
    if (there !== undefined) return there
    const box = createBox(id, title, word)
    box.element.addEventListener('click', () => choose(id))
    boxes.set(id, box)
    words.set(id, word)
    parent.append(box.element)
    return box
  }
  const fill = (
    box: Box,
    figure: string,
    small: string,
    level: number | null,
    isBad = false
  ): void => {
    setText(box.figure, figure)
    setText(box.small, small)
    box.gauge.parentElement!.hidden = level === null
    box.gauge.style.width = `${Math.min(100, (level ?? 0) * 100)}%`
    box.gauge.classList.toggle('bad', isBad)
  }

  const dropsAt = ({ drops }: Sample, id: string): Dropped[] =>
    drops.filter(({ place }) => place === id)
  const showDrops = (sample: Sample, id: string, box: Box, drops = dropsAt(sample, id)): void => {
    const dead = sum(drops, ({ since }) => since)
    const now = sum(drops, (drop) => drop.rate)
    box.drops.hidden = dead === 0
    box.drops.classList.toggle('now', now > 0)
    if (dead > 0) setText(box.drops, `− ${count(dead)}${now > 0 ? `, ${rate(now)}` : ''}`)
  }

  const showLinks = (links: readonly Link[]): void => {
    for (const link of links) {
      const into = boxOf(`in ${link.ifname}`, link.ifname, 'device', columns.in)
      fill(into, rate(link.rxRate), bits(link.rxBits), null)
      const out = boxOf(`out ${link.ifname}`, link.ifname, 'device', columns.out)
      fill(out, rate(link.txRate), link.netem ? 'netem' : bits(link.txBits), null)
    }
  }
  const showWorkers = (sample: Sample): void => {
    for (const worker of sample.workers) {
      const queue = boxOf(
        `backlog ${worker.cpu}`,
        `backlog ${worker.cpu}`,
        'backlog',
        columns.backlogs
      )
      fill(
        queue,
        whole(worker.backlog_len),
        'waiting',
        worker.backlog_len / 1000,
        worker.backlog_len > 500
      )
      const own = dropsAt(sample, 'backlog').filter((drop) => (drop.worker[worker.cpu] ?? 0) > 0)
      showDrops(sample, 'backlog', queue, worker.cpu === 0 || own.length > 0 ? own : [])
      const box = boxOf(`worker ${worker.cpu}`, `worker ${worker.cpu}`, 'worker', columns.workers)
      box.element.style.borderLeftColor = workerColor(worker.cpu)
      fill(
        box,
        rate(worker.rate),
        `${percent(worker.busy_ratio)} busy, ${worker.load.toFixed(1)} a turn`,
        worker.busy_ratio,
        worker.squeezeRate > 0
      )
    }
  }
  const showLayers = (sample: Sample): void => {
    for (const { id, title, word, counters } of LAYERS) {
      const box = boxOf(id, title, word, columns.layers)
      fill(box, passes(sample, id, counters), note(sample, id), null)
      showDrops(sample, id, box)
    }
  }
  const gained = ({ gained: g }: Sample, names: readonly string[]): number =>
    sum(names, (name) => g[name] ?? 0)
  const passes = (sample: Sample, id: string, counters: readonly string[]): string => {
    if (id === 'ether') return rate(sum(sample.workers, (worker) => worker.rate))
    if (id === 'socket') return whole(sum(sample.workers, (worker) => worker.sockets))
    if (id === 'neighbour') return whole(sample.neighs.length)
    if (id === 'qdisc') return rate(sum(sample.links, (link) => link.txRate))
    return rate(gained(sample, counters))
  }
  const note = (sample: Sample, id: string): string => {
    if (id === 'socket') return 'open'
    if (id === 'neighbour') return 'known'
    if (id === 'tcp') return `${count(sample.nstat['TcpCurrEstab'] ?? 0)} connections`
    if (id === 'qdisc') {
      const impaired = sample.links.filter((link) => link.netem !== undefined).length
      return impaired === 0 ? '' : `netem on ${impaired}`
    }
    return ''
  }

  const edges = (sample: Sample): Edge[] => {
    const box = (id: string): HTMLElement => boxes.get(id)!.element
    const made: Edge[] = []
    const add = (from: string, to: string, rate: number, color = 'var(--accent)'): void => {
      made.push({ from: box(from), to: box(to), rate, color })
    }
    for (const link of sample.links) add(`in ${link.ifname}`, 'nic', link.rxRate)
    for (const worker of sample.workers) {
      const color = workerColor(worker.cpu)
      add('nic', `backlog ${worker.cpu}`, worker.rate, color)
      add(`backlog ${worker.cpu}`, `worker ${worker.cpu}`, worker.rate, color)
      add(`worker ${worker.cpu}`, 'ether', worker.rate, color)
    }
    const of = (...names: string[]): number => gained(sample, names)
    const forwarded = of('IpForwDatagrams', 'Ip6OutForwDatagrams')
    const delivered = of('IpInDelivers', 'Ip6InDelivers')
    const out = of('IpOutTransmits', 'Ip6OutTransmits')
    const [icmp, udp, tcp] = [
      of('IcmpInMsgs', 'Icmp6InMsgs'),
      of('UdpInDatagrams', 'Udp6InDatagrams'),
      of('TcpInSegs'),
    ]
    add('ether', 'ip-input', of('IpInReceives', 'Ip6InReceives'))
    add('ip-input', 'route', of('IpInReceives', 'Ip6InReceives'))
    add('route', 'forward', forwarded)
    add('route', 'local', delivered)
    add('local', 'icmp', icmp)
    add('local', 'udp', udp)
    add('local', 'tcp', tcp)
    add('udp', 'socket', udp)
    add('tcp', 'socket', tcp)
    add('forward', 'ip-output', forwarded)
    add('socket', 'ip-output', Math.max(0, out - forwarded))
    add('ip-output', 'neighbour', out)
    add('neighbour', 'qdisc', out)
    for (const link of sample.links) add('qdisc', `out ${link.ifname}`, link.txRate)
    return made
  }

  /** What the chosen box is about, its counters, and who died in it. */
  const showDetail = (sample: Sample): void => {
    const id = boxes.has(chosen) ? chosen : 'ip-input'
    for (const [other, { element }] of boxes)
      element.setAttribute('aria-pressed', String(other === id))
    const layer = LAYERS.find((stage) => stage.id === id)
    const place = id.split(' ')[0]!
    const counters = layer?.counters ?? []
    const rows = counters.map((name) => [
      name,
      whole(sample.nstat[name] ?? 0),
      rate(sample.gained[name] ?? 0),
    ])
    const dead = dropsAt(sample, place).map(({ reason, since, rate: now }) => [
      reason,
      whole(since),
      rate(now),
      reasonText(reason),
    ])
    const row = (cells: readonly string[]): HTMLElement =>
      h(
        'tr',
        {},
        ...cells.map((cell, i) =>
          h(i === 0 ? 'th' : 'td', { class: i === 1 || i === 2 ? 'n' : '' }, cell)
        )
      )
    detail.replaceChildren(
      h('h3', {}, boxes.get(id)!.element.querySelector('.name')!.textContent ?? ''),
      h('p', {}, WORDS[words.get(id) ?? ''] ?? ''),
      ...(rows.length > 0 ? [h('table', {}, ...rows.map(row))] : []),
      ...(dead.length > 0
        ? [h('h4', {}, 'died here'), h('table', { class: 'dead' }, ...dead.map(row))]
        : []),
      ...(layer ? [h('p', { class: 'soft' }, 'in the code: ', h('code', {}, layer.where))] : [])
    )
  }
  const choose = (id: string): void => {
    chosen = id
    if (last !== null) showDetail(last)
  }
  const removeGone = (sample: Sample): void => {
    const there = new Set(sample.links.map((link) => link.ifname))
    for (const [id, { element }] of boxes) {
      const [side, name] = id.split(' ')
      if ((side !== 'in' && side !== 'out') || there.has(name!)) continue
      element.remove()
      boxes.delete(id)
    }
  }

  return {
    id: 'path',
    title: "A packet's way",
    about:
      'From the device on the left to the device on the right, as packets go at this moment. Red is where they die. Every box says what it does when pointed at, and more when chosen.',
    element,
    update: (sample) => {
      last = sample
      removeGone(sample)
      showLinks(sample.links)
      const nic = boxOf('nic', 'nic', 'nic', columns.nic)
      const received = sum(sample.links, (link) => link.rxRate)
      fill(nic, rate(received), 'hash, bucket, worker', null)
      showWorkers(sample)
      showLayers(sample)
      flow.update(edges(sample))
      showDetail(sample)
    },
    curl: () => [curl('/v1/workers'), curl('/v1/links'), curl('/v1/nstat'), curl('/v1/drops')],
    data: () => last,
  }
}
