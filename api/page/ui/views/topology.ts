/** The topology of the box: the router, its links, who is on each, and the namespaces. */
import { curl } from '../api.ts'
import { h, setText } from '../dom.ts'
import type { Edge } from '../flow.ts'
import { createFlow } from '../flow.ts'
import { bits } from '../format.ts'
import type { Link, NetnsItem, Sample } from '../model.ts'
import type { View } from '../view.ts'

type Place = { element: HTMLElement; note: HTMLElement }

const createPlace = (kind: string, title: string, word: string): Place => {
  const note = h('small')
  const element = h(
    'div',
    { class: `place ${kind}`, 'data-word': word, tabindex: '0' },
    h('b', {}, title),
    note
  )
  return { element, note }
}

const addressOf = (text: string): string => text.split('/')[0]!

export const createTopologyView = (): View => {
  const places = new Map<string, Place>()
  const router = createPlace('router', 'softnet', 'worker')
  const rows = h('div', { class: 'rows' })
  const picture = h(
    'div',
    { class: 'picture topology' },
    h('div', { class: 'column' }, router.element),
    rows
  )
  const flow = createFlow(picture)
  let last: Sample | null = null

  const placeOf = (key: string, kind: string, title: string, word: string): Place => {
    const there = places.get(key) ?? createPlace(kind, title, word)
    places.set(key, there)
    return there
  }
  /** Hosts are those that the link's neighbour table names; a namespace gives them their name. */
  const hostsOf = (
    link: Link,
    { neighs, netns }: Sample
  ): { name: string; address: string; state: string }[] => {
    const names = new Map(
      netns.flatMap((one) => (one.addresses ?? []).map((a) => [addressOf(a), one.name] as const))
    )
    return neighs
      .filter(
        ({ dev, dst }) => dev === link.ifname && !dst.startsWith('fe80:') && !dst.startsWith('ff')
      )
      .map(({ dst, state }) => ({
        name: names.get(dst) ?? dst,
        address: dst,
        state: state.join(' '),
      }))
  }
  const drawLink = (link: Link, sample: Sample): { row: HTMLElement; edges: Edge[] } => {
    const box = placeOf(`link ${link.ifname}`, 'link', link.ifname, 'device')
    const own = link.own.filter((address) => !address.startsWith('fe80:')).join('  ')
    setText(
      box.note,
      [own, bits(link.rxBits + link.txBits), ...(link.netem ? ['netem'] : [])].join(' · ')
    )
    box.element.classList.toggle('down', link.operstate === 'DOWN')
    const hosts = hostsOf(link, sample)
    const rate = link.rxRate + link.txRate
    const edges: Edge[] = [{ from: router.element, to: box.element, rate, color: 'var(--accent)' }]
    const found = hosts.map(({ name, address, state }) => {
      const host = placeOf(`host ${link.ifname} ${address}`, 'host', name, 'nud')
      setText(host.note, name === address ? state : `${address} ${state}`)
      host.element.classList.toggle('down', state === 'FAILED')
      edges.push({
        from: box.element,
        to: host.element,
        rate: rate / hosts.length,
        color: 'var(--accent)',
        isBranch: true,
      })
      return host.element
    })
    const row = h('div', { class: 'row' }, box.element, h('div', { class: 'hosts' }, ...found))
    return { row, edges }
  }
  const showNetns = (netns: readonly NetnsItem[]): HTMLElement =>
    h(
      'p',
      { class: 'soft' },
      h('span', { 'data-word': 'netns', tabindex: '0' }, 'namespaces'),
      ': ',
      netns.length === 0
        ? 'none'
        : netns
            .map(({ name, addresses }) => `${name}${addresses ? ` (${addresses.join(' ')})` : ''}`)
            .join(', ')
    )
  const footer = h('div')
  return {
    id: 'topology',
    title: 'Topology',
    about:
      'The stack in the middle, its links, and who was seen on each: the neighbours that it knows by ARP and neighbour discovery. Dots are packets.',
    element: h('div', {}, picture, footer),
    update: (sample) => {
      last = sample
      setText(router.note, `${sample.workers.length} workers, ${sample.version}`)
      const drawn = sample.links.map((link) => drawLink(link, sample))
      rows.replaceChildren(...drawn.map(({ row }) => row))
      footer.replaceChildren(showNetns(sample.netns))
      flow.update(drawn.flatMap(({ edges }) => edges))
    },
    curl: () => [curl('/v1/addresses'), curl('/v1/neighs'), curl('/v1/netns')],
    data: () => last && { links: last.links, neighs: last.neighs, netns: last.netns },
  }
}
