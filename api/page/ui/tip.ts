/** Says what a word means where it stands: whatever has data-word or data-tip, when pointed at, focused or touched. */
import { h, setText } from './dom.ts'
import { WORDS } from './words.ts'

const GAP = 6

export const startTips = (): void => {
  const tip = h('div', { id: 'tip', role: 'tooltip', hidden: true })
  document.body.append(tip)
  const hide = (): void => {
    tip.hidden = true
  }
  let shown: Element | null = null
  const place = (): void => {
    if (tip.hidden || shown === null) return
    const at = shown.getBoundingClientRect()
    const { width, height } = tip.getBoundingClientRect()
    const left = Math.max(GAP, Math.min(at.left, innerWidth - width - GAP))
    const below = at.bottom + GAP
    const top = below + height > innerHeight ? Math.max(GAP, at.top - height - GAP) : below
    tip.style.left = `${left}px`
    tip.style.top = `${top}px`
  }
  const show = (target: Element): void => {
    const text = target.getAttribute('data-tip') ?? WORDS[target.getAttribute('data-word') ?? '']
    if (!text) return
    setText(tip, text)
    tip.hidden = false
    shown = target
    target.setAttribute('aria-describedby', 'tip')
    place()
  }
  const explained = (event: Event): Element | null =>
    event.target instanceof Element ? event.target.closest('[data-word], [data-tip]') : null
  for (const kind of ['mouseover', 'focusin'])
    document.addEventListener(kind, (event) => {
      const target = explained(event)
      if (target !== null) show(target)
      // what the keyboard stands on stays explained when the pointer rests elsewhere
      else if (shown !== document.activeElement) hide()
    })
  document.addEventListener('focusout', hide)
  document.addEventListener('scroll', place, true)
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') hide()
  })
}
