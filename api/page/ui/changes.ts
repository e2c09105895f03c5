/** What has changed of late, newest first: the events of /v1/watch. */
import { h, setText } from './dom.ts'
import { clock } from './format.ts'
import type { Change } from './watch.ts'

const SHOWN = 30

export const createChanges = (kind: string, say: (change: Change) => string) => {
  const list = h('ol', { class: 'changes', 'data-changes': kind, 'aria-label': 'changes' })
  let drawn: Change | undefined
  return {
    element: h('div', { class: 'changes-box' }, h('h3', {}, 'changes'), list),
    update: (changes: readonly Change[]): void => {
      const found = changes.filter((change) => change.kind === kind).slice(0, SHOWN)
      if (found[0] === drawn && list.childElementCount > 0) return
      drawn = found[0]
      if (found.length === 0) return list.replaceChildren(h('li', { class: 'soft' }, 'None yet.'))
      list.replaceChildren(
        ...found.map((change) => {
          const item = h('li', {}, h('time', {}, clock(change.at)), ' ')
          const text = h('span')
          setText(text, say(change))
          item.append(text)
          return item
        })
      )
    },
  }
}
