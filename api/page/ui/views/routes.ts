/** Routes, and which one a destination takes. */
import type { RouteItem, RouteLookup } from '../../../../core/control/text/messages.ts'
import { curl, get, list } from '../api.ts'
import { createChanges } from '../changes.ts'
import { button, h, setText } from '../dom.ts'
import type { Model } from '../model.ts'
import { createTable } from '../table.ts'
import type { View } from '../view.ts'

const ROUTES = '/v1/routes?limit=2000'

const gatewayOf = (route: { gateway?: string; via?: { host: string } }): string =>
  route.gateway ?? route.via?.host ?? ''

export const createRoutesView = ({ changes }: Model): View => {
  let asked = '10.2.0.10'
  const table = createTable<RouteItem>({
    name: 'routes',
    key: (r) =>
      `${r.family} ${r.table} ${r.type} ${r.dst} ${r.metric ?? 0} ${r.tos ?? 0} ${r.dev ?? ''} ${gatewayOf(r)}`,
    empty: 'No route.',
    columns: [
      { word: 'dst', kind: 'm', value: (r) => r.dst },
      { word: 'type', value: (r) => r.type },
      { word: 'gateway', head: 'via', kind: 'm', value: gatewayOf },
      { word: 'dev', kind: 'm', value: (r) => r.dev ?? '' },
      { word: 'table', value: (r) => r.table },
      { word: 'protocol', value: (r) => r.protocol },
      { word: 'scope', value: (r) => r.scope ?? '' },
      { word: 'prefsrc', kind: 'm', value: (r) => r.prefsrc ?? '' },
      {
        word: 'metric',
        kind: 'n',
        value: (r) => r.metric ?? 0,
        show: (r) => (r.metric === undefined ? '' : String(r.metric)),
      },
    ],
  })
  const news = createChanges('route', ({ event, item }) => {
    const via = gatewayOf(item as { gateway?: string })
    return `${event === 'del' ? 'gone' : 'new'}: ${item['dst']}${via ? ` via ${via}` : ''} dev ${item['dev'] ?? '-'}`
  })

  const input = h('input', {
    type: 'text',
    value: asked,
    'aria-label': 'destination',
    'data-role': 'lookup',
  })
  const answer = h('output', { 'data-role': 'answer' })
  const lookup = async (): Promise<void> => {
    asked = input.value.trim()
    try {
      const { dst, src, prefsrc, dev, ...rest } = (await get<RouteLookup>(
        `/v1/route-lookup?dst=${encodeURIComponent(asked)}`
      )) as RouteLookup & { src?: string; prefsrc?: string }
      const via = gatewayOf(rest as { gateway?: string })
      setText(
        answer,
        `${dst}${via ? ` via ${via}` : ''} dev ${dev ?? '-'} src ${prefsrc ?? src ?? '-'}`
      )
      answer.className = 'good'
    } catch (error) {
      setText(answer, (error as Error).message)
      answer.className = 'bad'
    }
  }
  const form = h(
    'form',
    { class: 'bar' },
    h('label', {}, 'which way to ', input),
    button('look up', 'ip route get', () => void lookup()),
    answer
  )
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void lookup()
  })
  return {
    id: 'routes',
    title: 'Routes',
    about: 'Where packets go, by destination: the longest prefix that matches is taken.',
    element: h('div', {}, form, table.element, news.element),
    update: async () => {
      table.update(await list<RouteItem>(ROUTES))
      news.update(changes)
    },
    curl: () => [curl(ROUTES), curl(`/v1/route-lookup?dst=${asked}`)],
    data: () => table.shown(),
    setFilter: table.setFilter,
  }
}
