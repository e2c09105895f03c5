/** Lines between boxes, with dots that move as fast as packets do: an SVG that lies under the boxes of a picture. */
import { svg } from './dom.ts'

export type Edge = {
  from: HTMLElement
  to: HTMLElement
  /** Packets a second. */
  rate: number
  color: string
  /** It stands below, indented: where there is no room beside. */
  isBranch?: boolean
}

type Point = { x: number; y: number }

/** From side to side where the boxes stand beside one another, else from edge to edge. */
const curve = (from: DOMRect, to: DOMRect, origin: DOMRect, isBranch: boolean): string => {
  const at = (x: number, y: number): Point => ({ x: x - origin.left, y: y - origin.top })
  const isBeside = to.left >= from.right - 4
  if (isBeside) {
    const a = at(from.right, from.top + from.height / 2)
    const b = at(to.left, to.top + to.height / 2)
    const mid = (a.x + b.x) / 2
    return `M${a.x} ${a.y} C${mid} ${a.y} ${mid} ${b.y} ${b.x} ${b.y}`
  }
  if (isBranch) {
    const a = at((from.left + to.left) / 2, from.bottom)
    const b = at(to.left, to.top + to.height / 2)
    return `M${a.x} ${a.y} V${b.y} H${b.x}`
  }
  const isBelow = to.top >= from.top
  const a = at(from.left + from.width / 2, isBelow ? from.bottom : from.top)
  const b = at(to.left + to.width / 2, isBelow ? to.top : to.bottom)
  const mid = (a.y + b.y) / 2
  return `M${a.x} ${a.y} C${a.x} ${mid} ${b.x} ${mid} ${b.x} ${b.y}`
}

/** Seconds that a dot takes for its gap: a hundred times the rate is three times as fast. */
const pace = (rate: number): number => 1.6 / (1 + Math.log10(1 + rate) * 0.9)

export const createFlow = (picture: HTMLElement) => {
  const layer = svg('svg', { class: 'flow', 'aria-hidden': 'true' })
  picture.prepend(layer)
  let lines: { wire: SVGElement; dots: SVGElement }[] = []
  let edges: readonly Edge[] = []

  const makeLines = (n: number): void => {
    if (lines.length === n) return
    layer.replaceChildren()
    lines = Array.from({ length: n }, () => {
      const wire = svg('path', { class: 'wire' })
      const dots = svg('path', { class: 'dots' })
      layer.append(wire, dots)
      return { wire, dots }
    })
  }
  const draw = (): void => {
    const origin = picture.getBoundingClientRect()
    if (origin.width === 0) return
    layer.setAttribute('viewBox', `0 0 ${origin.width} ${origin.height}`)
    edges.forEach(({ from, to, rate, color, isBranch = false }, i) => {
      const { wire, dots } = lines[i]!
      const path = curve(from.getBoundingClientRect(), to.getBoundingClientRect(), origin, isBranch)
      wire.setAttribute('d', path)
      dots.setAttribute('d', path)
      dots.style.stroke = color
      dots.style.strokeWidth = `${2.2 + Math.min(3.5, Math.log10(1 + rate) * 0.8)}px`
      dots.style.opacity = rate > 0 ? '1' : '0'
      // a pace that changes a little would make the dots jump
      const duration = `${pace(rate).toFixed(1)}s`
      if (dots.style.animationDuration !== duration) dots.style.animationDuration = duration
    })
  }
  new ResizeObserver(draw).observe(picture)
  return {
    update: (next: readonly Edge[]): void => {
      edges = next
      makeLines(edges.length)
      draw()
    },
  }
}
