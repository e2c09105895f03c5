/** Frames as they go by, decoded: lines of /v1/capture. What is shown can be had as pcapng. */
import { createPcapng } from '../../../endpoints/pcapng.ts'
import { curl, open } from '../api.ts'
import { button, h, setText, workerChip } from '../dom.ts'
import { clock } from '../format.ts'
import { createTable } from '../table.ts'
import type { View, ViewDeps } from '../view.ts'

type Frame = {
  n: number
  time: number
  dev: string
  cpu: number
  direction: 'in' | 'out'
  drop: string | null
  length: number
  frame: string
  octets: string
}
type Line = Partial<Frame> & { lost?: number }

const KEPT = 500
/** Drawing more often than the eye sees costs, and shows nothing. */
const DRAW_MS = 200
const EXAMPLES = ['', 'tcp port 80', 'icmp or icmp6', 'arp', 'udp', 'tcp[tcpflags] & tcp-syn != 0']

const SNAPLEN = 262144
const PCAPNG = 'application/x-pcapng'

const octetsOf = (base64: string): Uint8Array =>
  Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0))
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const asPcapng = (frames: readonly Frame[]): File => {
  const pcapng = createPcapng(SNAPLEN, 0, 0)
  for (const { octets, time, ...frame } of frames)
    pcapng.add({ ...frame, timeUs: Math.round(time * 1e6), bytes: octetsOf(octets) })
  return new File([pcapng.take()], 'softnet-capture.pcapng', { type: PCAPNG })
}

const clockUs = (time: number): string => {
  const us = Math.round(time * 1e6)
  return `${clock(new Date(us / 1000))}.${String(us % 1e6).padStart(6, '0')}`
}

export const createCaptureView = ({ say }: ViewDeps): View => {
  let frames: Frame[] = []
  let next = 0
  let seen = 0
  let lost = 0
  let isFrozen = false
  let running: AbortController | null = null
  let isDrawing = false

  const device = h('select', { 'aria-label': 'device', 'data-role': 'device' })
  const filter = h('input', {
    type: 'text',
    list: 'filters',
    placeholder: 'all',
    'aria-label': 'capture filter',
    'data-role': 'bpf',
  })
  const examples = h(
    'datalist',
    { id: 'filters' },
    ...EXAMPLES.map((value) => h('option', { value }))
  )
  const drops = h('input', { type: 'checkbox', 'data-role': 'drops' })
  drops.checked = true
  const news = h('span', { class: 'soft', role: 'status' })
  const path = (): string => {
    const words = new URLSearchParams({ dev: device.value || 'any' })
    if (filter.value !== '') words.set('filter', filter.value)
    if (drops.checked) words.set('drops', '1')
    return `/v1/capture?${words}`
  }

  const table = createTable<Frame>({
    name: 'capture',
    key: (f) => String(f.n),
    empty: 'No frame yet: press start.',
    columns: [
      { word: 'time', kind: 'm', value: (f) => f.time, show: (f) => clockUs(f.time) },
      { word: 'dev', kind: 'm', value: (f) => f.dev },
      { word: 'direction', head: 'way', value: (f) => f.direction },
      {
        word: 'worker',
        head: 'CPU',
        value: (f) => f.cpu,
        paint: (cell, f) => {
          if (cell.textContent !== String(f.cpu)) cell.replaceChildren(workerChip(f.cpu))
        },
      },
      { word: 'length', kind: 'n', value: (f) => f.length },
      { word: 'frame', kind: 'm', value: (f) => f.frame },
      {
        word: 'reason',
        head: 'died of',
        value: (f) => f.drop ?? '',
        paint: (cell, f) => {
          setText(cell, f.drop ?? '')
          cell.className = 'bad'
        },
      },
    ],
  })
  const draw = (): void => {
    if (isDrawing) return
    isDrawing = true
    setTimeout(() => {
      isDrawing = false
      if (isFrozen) return
      table.update([...frames])
      setText(news, `${seen} frames${lost > 0 ? `, ${lost} lost: this reader was too slow` : ''}`)
    }, DRAW_MS)
  }
  const take = ({ lost: gone, ...frame }: Line): void => {
    if (gone !== undefined) lost = gone
    if (frame.frame === undefined) return draw()
    seen++
    frames.unshift({ ...(frame as Frame), n: next++ })
    if (frames.length > KEPT) frames.length = KEPT
    draw()
  }
  const read = async (signal: AbortSignal): Promise<void> => {
    const headers = { Accept: 'application/x-ndjson' }
    const response = await open(`${path()}&octets=1`, { method: 'GET', headers, signal })
    const decoder = new TextDecoder()
    const reader = response.body!.getReader()
    let rest = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) take(JSON.parse(line) as Line)
    }
  }
  const forget = (): void => {
    frames = []
    seen = 0
    lost = 0
    draw()
  }
  const stop = (): void => {
    running?.abort()
    running = null
    setText(toggle, 'start')
  }
  const start = async (): Promise<void> => {
    const mine = new AbortController()
    running = mine
    forget()
    setText(toggle, 'stop')
    try {
      await read(mine.signal)
    } catch (error) {
      if (!mine.signal.aborted) say((error as Error).message, true)
    }
    if (running === mine) stop()
  }
  const toggle = button('start', 'Begins a capture, or ends it', () => {
    if (running === null) void start()
    else stop()
  })
  toggle.dataset['role'] = 'start'
  const bar = h(
    'form',
    { class: 'bar' },
    h('label', {}, 'device ', device),
    h(
      'label',
      {},
      h('span', { 'data-word': 'bpf', tabindex: '0' }, 'filter'),
      ' ',
      filter,
      examples
    ),
    h('label', {}, drops, ' those that die too'),
    toggle,
    news
  )
  bar.addEventListener('submit', (event) => {
    event.preventDefault()
    stop()
    void start()
  })
  return {
    id: 'capture',
    title: 'Capture',
    about:
      'Frames as they go by, on every device and worker, decoded; what dies is shown with its reason. It ends when you leave it, and it never slows the packets.',
    element: h('div', {}, bar, table.element),
    update: ({ links }) => {
      const names = ['any', ...links.map((link) => link.ifname)]
      if (names.join() === [...device.options].map(({ value }) => value).join()) return
      const chosen = device.value
      device.replaceChildren(...names.map((name) => h('option', { value: name }, name)))
      if (names.includes(chosen)) device.value = chosen
    },
    leave: stop,
    curl: () => [
      curl(path()).replace(
        'curl',
        "curl -N -H 'Authorization: Bearer '$TOKEN -H 'Accept: application/x-ndjson'"
      ),
      [
        'softnet tcpdump -i',
        device.value || 'any',
        ...(drops.checked ? ['--drops'] : []),
        ...(filter.value === '' ? [] : [quoted(filter.value)]),
      ].join(' '),
    ],
    data: () => table.shown(),
    file: () => asPcapng(table.shown().toSorted((a, b) => a.n - b.n)),
    setFilter: table.setFilter,
    freeze: (wanted) => {
      isFrozen = wanted
      draw()
    },
    reset: forget,
  }
}
