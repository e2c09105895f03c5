/** The links, and sliders that make a bad network of each (netem). */
import type { Impairment } from '../../../../core/control/text/messages.ts'
import { change, curl } from '../api.ts'
import { button, h, setText } from '../dom.ts'
import { bits, count, whole } from '../format.ts'
import type { Link } from '../model.ts'
import { createTable } from '../table.ts'
import type { View, ViewDeps } from '../view.ts'

type Knob = { word: keyof Impairment; unit: string; max: number; step: number; scale: number }

/** Times are milliseconds here and microseconds in the API. */
const KNOBS: readonly Knob[] = [
  { word: 'delay', unit: 'ms', max: 500, step: 1, scale: 1000 },
  { word: 'jitter', unit: 'ms', max: 200, step: 1, scale: 1000 },
  { word: 'loss', unit: '%', max: 50, step: 0.1, scale: 1 },
  { word: 'duplicate', unit: '%', max: 50, step: 0.1, scale: 1 },
  { word: 'reorder', unit: '%', max: 50, step: 0.1, scale: 1 },
  { word: 'corrupt', unit: '%', max: 50, step: 0.1, scale: 1 },
]

const createSliders = (ifname: string, apply: (ifname: string, netem: Impairment) => void) => {
  let limit: number | undefined
  let isHeld = false
  const knobs = KNOBS.map(({ word, unit, max, step, scale }) => {
    const input = h('input', {
      type: 'range',
      min: '0',
      max: String(max),
      step: String(step),
      value: '0',
      'data-netem': word,
      'aria-label': `${word} of ${ifname}`,
    })
    const output = h('output')
    const show = (): void => setText(output, `${input.value} ${unit}`)
    input.addEventListener('input', () => {
      isHeld = true
      show()
    })
    input.addEventListener('change', () => {
      isHeld = false
      apply(ifname, wanted())
    })
    return {
      element: h('label', { class: 'knob' }, h('span', { 'data-word': word }, word), input, output),
      word,
      value: (): number => Number(input.value) * scale,
      set: (netem: Impairment): void => {
        input.value = String((netem[word] ?? 0) / scale)
        show()
      },
    }
  })
  const wanted = (): Impairment => ({
    ...Object.fromEntries(knobs.map(({ word, value }) => [word, value()])),
    ...(limit !== undefined && { limit }),
  })
  const clear = button('perfect', 'No impairment', () => apply(ifname, {}))
  clear.dataset['role'] = 'perfect'
  const element = h(
    'fieldset',
    { class: 'netem', 'data-link': ifname },
    h('legend', {}, ifname),
    ...knobs.map((knob) => knob.element),
    clear
  )
  return {
    element,
    set: (netem: Impairment): void => {
      // what is being dragged stays in the hand
      if (isHeld) return
      limit = netem.limit
      for (const knob of knobs) knob.set(netem)
      element.classList.toggle('on', Object.keys(netem).length > 0)
    },
  }
}

export const createLinksView = ({ say, refresh }: ViewDeps): View => {
  let asked: { ifname: string; netem: Impairment } | null = null
  /** A sample that is older than the last change says what was. */
  let changed = 0
  let changing = 0
  /** Changes go out one after the other, so that the last one is the last one there too. */
  let before: Promise<void> = Promise.resolve()
  const sliders = new Map<string, ReturnType<typeof createSliders>>()
  const box = h('div', { class: 'sliders' })
  const table = createTable<Link>({
    name: 'links',
    key: (link) => link.ifname,
    empty: 'No link.',
    columns: [
      { word: 'device', kind: 'm', value: (l) => (l.link ? `${l.ifname}@${l.link}` : l.ifname) },
      { word: 'kind', value: (l) => l.linkinfo?.info_kind ?? l.link_type },
      {
        word: 'operstate',
        head: 'state',
        value: (l) => l.operstate,
        paint: (cell, l) => {
          setText(cell, l.operstate)
          cell.className = l.operstate === 'UP' ? 'good' : l.operstate === 'DOWN' ? 'bad' : 'soft'
        },
      },
      { word: 'address', head: 'addresses', kind: 'm', value: (l) => l.own.join('  ') },
      { word: 'mtu', kind: 'n', value: (l) => l.mtu },
      { word: 'rx', kind: 'n', value: (l) => l.rxBits, show: (l) => bits(l.rxBits) },
      { word: 'tx', kind: 'n', value: (l) => l.txBits, show: (l) => bits(l.txBits) },
      {
        word: 'rx',
        head: 'rx packets',
        kind: 'n',
        value: (l) => l.stats64.rx.packets,
        show: (l) => count(l.stats64.rx.packets),
      },
      {
        word: 'tx',
        head: 'tx packets',
        kind: 'n',
        value: (l) => l.stats64.tx.packets,
        show: (l) => count(l.stats64.tx.packets),
      },
      {
        word: 'dropped',
        kind: 'n',
        value: (l) => l.stats64.rx.dropped + l.stats64.tx.dropped,
        show: (l) => whole(l.stats64.rx.dropped + l.stats64.tx.dropped),
      },
      { word: 'qdisc', value: (l) => l.qdisc },
    ],
  })
  const apply = (ifname: string, wanted: Impairment): void => {
    const netem = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value > 0))
    asked = { ifname, netem }
    changing++
    before = before.then(() => send(ifname, netem))
  }
  const send = async (ifname: string, netem: Impairment): Promise<void> => {
    try {
      changed = (await change('PATCH', `/v1/links/${ifname}`, { netem })).revision
      const words = Object.entries(netem).map(([name, value]) => `${name} ${value}`)
      say(words.length === 0 ? `${ifname}: no impairment` : `${ifname}: ${words.join(', ')}`)
    } catch (error) {
      say((error as Error).message, true)
    } finally {
      changing--
    }
    refresh()
  }
  const show = (links: readonly Link[]): void => {
    const names = new Set(links.map((link) => link.ifname))
    for (const [name, slider] of sliders)
      if (!names.has(name)) {
        slider.element.remove()
        sliders.delete(name)
      }
    for (const link of links) {
      if (link.link_type === 'loopback') continue
      const slider = sliders.get(link.ifname) ?? createSliders(link.ifname, apply)
      if (!sliders.has(link.ifname)) {
        sliders.set(link.ifname, slider)
        box.append(slider.element)
      }
      slider.set(link.netem ?? {})
    }
  }
  return {
    id: 'links',
    title: 'Links',
    about:
      'The devices of this stack. The sliders impair what a device sends (netem): give lan0 some loss and watch cwnd of a socket fall.',
    element: h(
      'div',
      {},
      table.element,
      h('h3', { 'data-word': 'netem', tabindex: '0' }, 'impairment'),
      box
    ),
    update: ({ links, revision }) => {
      table.update(links)
      if (changing === 0 && revision >= changed) show(links)
    },
    curl: () => {
      const { ifname, netem } = asked ?? {
        ifname: [...sliders.keys()][0] ?? 'lan0',
        netem: { delay: 20000, loss: 1 },
      }
      return [curl('/v1/links'), curl(`/v1/links/${ifname}`, 'PATCH', { netem })]
    },
    data: () => table.shown(),
    setFilter: table.setFilter,
  }
}
