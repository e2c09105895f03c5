/** Making and changing elements. Text is only ever set as text, so that no name or message becomes markup. */

type Child = Node | string
type Attributes = Record<string, string | boolean>

export const h = <Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] => {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false) continue
    made.setAttribute(key, value === true ? '' : value)
  }
  made.append(...children)
  return made
}

const SVG = 'http://www.w3.org/2000/svg'
export const svg = (name: string, attributes: Record<string, string> = {}): SVGElement => {
  const made = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  return made
}

/** Sets the text where it is another: what a reader has selected stays selected. */
export const setText = (node: Element, text: string): void => {
  if (node.textContent !== text) node.textContent = text
}

export const button = (text: string, title: string, onClick: () => void): HTMLButtonElement => {
  const made = h('button', { type: 'button', title }, text)
  made.addEventListener('click', onClick)
  return made
}

/** A word that says what it means when pointed at, focused or touched (words.ts, tip.ts). */
export const word = (name: string, text = name): HTMLElement =>
  h('span', { 'data-word': name, tabindex: '0' }, text)

/** Colours of workers: the same worker has the same colour everywhere (style.css). */
export const workerColor = (worker: number): string => `var(--worker-${worker % 8})`

export const workerChip = (worker: number): HTMLElement => {
  const chip = h('span', { class: 'cpu', title: `worker ${worker}` }, String(worker))
  chip.style.background = workerColor(worker)
  return chip
}
