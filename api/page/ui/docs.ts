/** /docs: the list of what the API can do, from its OpenAPI document. */
import { get, onUnauthorized, takeToken } from './api.ts'
import { h } from './dom.ts'
import { createLogin } from './login.ts'

type Operation = { tags?: string[]; summary?: string; description?: string }
type Document = { paths: Record<string, Record<string, Operation>> }

takeToken()
onUnauthorized(createLogin().ask)

const load = async (list: HTMLElement): Promise<void> => {
  const { paths } = await get<Document>('/openapi.json')
  const tags = new Map<string, HTMLElement[]>()
  for (const [path, verbs] of Object.entries(paths)) {
    for (const [
      verb,
      { tags: [tag = 'other'] = [], summary = '', description = '' },
    ] of Object.entries(verbs)) {
      const row = h(
        'tr',
        {},
        h('td', {}, h('code', {}, verb.toUpperCase())),
        h('td', {}, h('code', {}, path)),
        h('td', {}, summary),
        h('td', { class: 'soft' }, description.replaceAll('`', ''))
      )
      tags.set(tag, [...(tags.get(tag) ?? []), row])
    }
  }
  list.replaceChildren()
  for (const [tag, rows] of tags)
    list.append(
      h('h2', {}, tag),
      h('div', { class: 'scroll' }, h('table', {}, h('tbody', {}, ...rows)))
    )
}
const list = document.getElementById('list')!
load(list).catch((error: unknown) => {
  list.textContent = String(error)
})
