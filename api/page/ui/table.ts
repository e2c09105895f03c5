/** A table that is sorted by its heads and filtered by words. Rows stay the same elements as long as their key is there. */
import { button, h, setText } from './dom.ts'

/** Rows that are drawn; the rest is counted. A filter finds all. */
const DRAWN = 200

export type Column<Row> = {
  /** Key of the word in words.ts. */
  word: string
  head?: string
  /** n is a number, m is monospaced. */
  kind?: 'n' | 'm' | ''
  /** What is sorted and searched. */
  value: (row: Row) => string | number
  /** What is shown; the value where it is not given. */
  show?: (row: Row) => string
  /** Draws into the cell instead. */
  paint?: (cell: HTMLElement, row: Row) => void
}
type TableOptions<Row> = {
  name: string
  columns: readonly Column<Row>[]
  key: (row: Row) => string
  empty: string
  onPick?: (row: Row) => void
}

const order = (a: string | number, b: string | number): number =>
  typeof a === 'number' && typeof b === 'number'
    ? a - b
    : String(a).localeCompare(String(b), 'en', { numeric: true })

export const createTable = <Row>({ name, columns, key, empty, onPick }: TableOptions<Row>) => {
  let rows: readonly Row[] = []
  let filter: string[] = []
  let sorted = -1
  let isUp = true
  let picked = ''
  const made = new Map<string, HTMLTableRowElement>()
  const latest = new Map<string, Row>()

  const heads = columns.map(({ word, head, kind }, at) => {
    const sorter = button(head ?? word, '', () => {
      isUp = sorted === at ? !isUp : true
      sorted = at
      draw()
    })
    sorter.removeAttribute('title')
    sorter.dataset['word'] = word
    return h('th', { scope: 'col', class: kind ?? '', 'aria-sort': 'none' }, sorter)
  })
  const body = h('tbody')
  const note = h('p', { class: 'soft note', 'data-role': 'note' })
  const table = h('table', { 'data-table': name }, h('thead', {}, h('tr', {}, ...heads)), body)
  const element = h(
    'div',
    {},
    h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': name }, table),
    note
  )

  const pick = (id: string): void => {
    picked = id
    for (const [other, row] of made) row.setAttribute('aria-selected', String(other === id))
    const row = latest.get(id)
    if (row !== undefined) onPick?.(row)
  }
  const makeRow = (id: string): HTMLTableRowElement => {
    const row = h('tr', {}, ...columns.map(({ kind }) => h('td', { class: kind ?? '' })))
    if (onPick !== undefined) {
      row.tabIndex = 0
      row.classList.add('pickable')
      row.addEventListener('click', () => pick(id))
      row.addEventListener('keydown', (event) => {
        if (event.key === 'Enter' || event.key === ' ') {
          event.preventDefault()
          pick(id)
        }
      })
    }
    return row
  }
  const fillRow = (element: HTMLTableRowElement, row: Row): void => {
    columns.forEach(({ value, show, paint }, at) => {
      const cell = element.cells[at]!
      if (paint !== undefined) paint(cell, row)
      else setText(cell, show === undefined ? String(value(row)) : show(row))
    })
  }
  const matches = (row: Row): boolean => {
    const text = columns.map(({ value }) => String(value(row)).toLowerCase()).join(' ')
    return filter.every((part) => text.includes(part))
  }
  const shown = (): Row[] => {
    const found = rows.filter(matches)
    const column = columns[sorted]
    if (column === undefined) return found
    return found.sort((a, b) => order(column.value(a), column.value(b)) * (isUp ? 1 : -1))
  }
  const draw = (): void => {
    heads.forEach((head, at) => {
      head.setAttribute('aria-sort', at !== sorted ? 'none' : isUp ? 'ascending' : 'descending')
    })
    const found = shown()
    const wanted = found.slice(0, DRAWN).map((row) => {
      const id = key(row)
      const element = made.get(id) ?? makeRow(id)
      made.set(id, element)
      latest.set(id, row)
      element.setAttribute('aria-selected', String(id === picked))
      fillRow(element, row)
      return element
    })
    const keep = new Set(wanted)
    for (const [id, element] of made)
      if (!keep.has(element)) {
        made.delete(id)
        latest.delete(id)
        element.remove()
      }
    wanted.forEach((element, at) => {
      if (body.rows[at] !== element) body.insertBefore(element, body.rows[at] ?? null)
    })
    const more = found.length - wanted.length
    setText(
      note,
      rows.length === 0
        ? empty
        : found.length === 0
          ? 'Nothing matches the filter.'
          : more > 0
            ? `${more} more: a filter finds them.`
            : ''
    )
  }
  return {
    element,
    /** What the table shows, in its order: for the download. */
    shown,
    update: (next: readonly Row[]): void => {
      rows = next
      draw()
    },
    setFilter: (text: string): void => {
      filter = text.toLowerCase().split(/\s+/).filter(Boolean)
      draw()
    },
  }
}
