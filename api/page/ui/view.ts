/** What a view is, and the tools that each has: filter, freeze, reset, download, and the line for the shell. */
import { button, h, setText } from './dom.ts'
import type { Model, Sample } from './model.ts'

export type View = {
  id: string
  title: string
  /** What one sees, and what to look for. */
  about: string
  element: HTMLElement
  /** A new sample; also when the view is opened. What only this view needs it asks for. */
  update: (sample: Sample) => void | Promise<void>
  /** The lines that give the same in a shell. */
  curl: () => string[]
  /** What is downloaded: as JSON, or as a file of its own. */
  data: () => unknown
  file?: () => File
  setFilter?: (text: string) => void
  reset?: () => void
  /** Frozen, or no longer: for what is drawn between two samples. */
  freeze?: (isFrozen: boolean) => void
  /** The view is left. */
  leave?: () => void
}
export type ViewDeps = {
  model: Model
  say: (text: string, isBad?: boolean) => void
  refresh: () => void
}

const asJson = ({ id, data }: View): File =>
  new File([`${JSON.stringify(data(), null, 2)}\n`], `softnet-${id}.json`, {
    type: 'application/json',
  })
const save = (file: File): void => {
  const link = h('a', { download: file.name })
  link.href = URL.createObjectURL(file)
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 1000)
}

const createCurl = (view: View): { element: HTMLElement; update: () => void } => {
  const code = h('code', { class: 'lines' })
  const copy = button('copy', 'Copies the lines', () => {
    void navigator.clipboard?.writeText(code.textContent ?? '')
  })
  const element = h(
    'details',
    { class: 'curl' },
    h('summary', {}, 'the same with curl'),
    code,
    copy
  )
  return { element, update: () => setText(code, view.curl().join('\n')) }
}

/** The view in its frame. `isFrozen` is asked before each update. */
export const frameView = (view: View, { model, refresh }: ViewDeps) => {
  let isFrozen = false
  const curl = createCurl(view)
  const freeze = button('freeze', 'Stops the view, not the daemon', () => {
    isFrozen = !isFrozen
    freeze.setAttribute('aria-pressed', String(isFrozen))
    setText(freeze, isFrozen ? 'go on' : 'freeze')
    element.classList.toggle('frozen', isFrozen)
    view.freeze?.(isFrozen)
    if (!isFrozen) refresh()
  })
  freeze.dataset['role'] = 'freeze'
  freeze.setAttribute('aria-pressed', 'false')
  const reset = button('reset', 'Counts and plots from now on', () => {
    model.reset()
    view.reset?.()
    refresh()
  })
  reset.dataset['role'] = 'reset'
  const how = view.file === undefined ? 'as JSON' : 'as a file'
  const download = button('download', `Saves what is shown, ${how}`, () =>
    save(view.file?.() ?? asJson(view))
  )
  download.dataset['role'] = 'download'
  const tools = h('div', {
    class: 'tools',
    role: 'toolbar',
    'aria-label': `tools of ${view.title}`,
  })
  if (view.setFilter !== undefined) {
    const filter = h('input', {
      type: 'search',
      placeholder: 'find',
      'aria-label': 'find rows',
      'data-role': 'filter',
    })
    filter.addEventListener('input', () => view.setFilter?.(filter.value))
    tools.append(filter)
  }
  tools.append(freeze, reset, download)
  const head = h('div', { class: 'head' }, h('h2', { tabindex: '-1' }, view.title), tools)
  const element = h(
    'section',
    { class: 'view', id: `view-${view.id}`, hidden: true, 'aria-label': view.title },
    head,
    h('p', { class: 'soft about' }, view.about),
    view.element,
    curl.element
  )
  return {
    element,
    view,
    update: async (sample: Sample): Promise<void> => {
      if (isFrozen) return
      await view.update(sample)
      curl.update()
    },
  }
}
