// A real Chromium, driven by Bun.WebView over the DevTools protocol: what a person would do with mouse and keys, and what
// he would see. One browser a test file; its errors are the test's.

import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { requireTool } from '../../support/tools.ts'

const WITHIN_MS = 15_000
const FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
  '--hide-scrollbars',
  '--force-color-profile=srgb',
]

const KEY_CODES: Readonly<Record<string, number>> = {
  Backspace: 8,
  Enter: 13,
  Escape: 27,
  ArrowLeft: 37,
  ArrowUp: 38,
  ArrowRight: 39,
  ArrowDown: 40,
}

export type Browser = Awaited<ReturnType<typeof openBrowser>>

/** Opens the page; what it says on its console as an error, or throws, is in `errors`, and whom it asked in `origins`. */
export const openBrowser = async (url: string) => {
  const errors: string[] = []
  const origins = new Set<string>()
  const view = new Bun.WebView({
    width: 1280,
    height: 900,
    backend: { type: 'chrome', url: false, path: requireTool('chromium'), argv: FLAGS },
    console: (type, ...args) => {
      if (type === 'error') errors.push(args.map(String).join(' '))
    },
  })
  await view.navigate('about:blank')
  for (const domain of ['Runtime', 'Log', 'Page', 'Network']) await view.cdp(`${domain}.enable`)
  type Logged = { entry: { level: string; text: string; url?: string } }
  type Thrown = { exceptionDetails: { text: string; exception?: { description?: string } } }
  view.addEventListener('Runtime.exceptionThrown', (event: object) => {
    const { data } = event as { data: Thrown }
    errors.push(data.exceptionDetails.exception?.description ?? data.exceptionDetails.text)
  })
  view.addEventListener('Log.entryAdded', (event: object) => {
    const { entry } = (event as { data: Logged }).data
    if (entry.level === 'error') errors.push(`${entry.text} ${entry.url ?? ''}`)
  })
  type Sent = { request: { url: string } }
  view.addEventListener('Network.requestWillBeSent', (event: object) => {
    const { protocol, origin } = new URL((event as { data: Sent }).data.request.url)
    // what a page holds itself is asked of nobody
    if (protocol !== 'data:' && protocol !== 'blob:') origins.add(origin)
  })
  await view.navigate(url)

  const evaluate = <T>(expression: string): Promise<T> => view.evaluate<T>(expression)
  /** Looks until the expression is true; what it was last is in the error. */
  const until = async (expression: string): Promise<void> => {
    const late = performance.now() + WITHIN_MS
    while (!(await evaluate<boolean>(`Boolean(${expression})`))) {
      if (performance.now() > late) throw new Error(`never true in the page: ${expression}`)
      await Bun.sleep(50)
    }
  }
  const text = (selector: string): Promise<string> =>
    evaluate<string>(`document.querySelector(${JSON.stringify(selector)})?.textContent ?? ''`)
  const has = (selector: string, wanted: string): Promise<void> =>
    until(
      `(document.querySelector(${JSON.stringify(selector)})?.textContent ?? '').includes(${JSON.stringify(wanted)})`
    )
  const click = async (selector: string): Promise<void> => {
    await view.scrollTo(selector, { timeout: WITHIN_MS })
    await view.click(selector, { timeout: WITHIN_MS })
  }
  /** A table as the page shows it: a row an object, by the heads' words. */
  const table = (name: string): Promise<Record<string, string>[]> =>
    evaluate(`(() => {
      const table = document.querySelector('[data-table=${name}]')
      const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent)
      return [...table.tBodies[0].rows].map((row) =>
        Object.fromEntries([...row.cells].map((cell, at) => [heads[at], cell.textContent])))
    })()`)
  type Point = { x: number; y: number }
  /** Where the middles of elements are in the window, all at one moment. */
  const middles = (...selectors: string[]): Promise<Point[]> =>
    evaluate(`${JSON.stringify(selectors)}.map((selector) => {
      const { left, top, width, height } = document.querySelector(selector).getBoundingClientRect()
      return { x: left + width / 2, y: top + height / 2 }
    })`)
  const mouse = async (type: string, { x, y }: Point): Promise<void> => {
    await view.cdp('Input.dispatchMouseEvent', {
      type,
      x,
      y,
      button: 'left',
      buttons: 1,
      clickCount: 1,
    })
  }
  /** Drags one element onto another with the mouse, in steps as a hand does, and lets go when `over` says that it is there. */
  const drag = async (from: string, to: string, over: string): Promise<void> => {
    await view.scrollTo(from)
    const [a, b] = (await middles(from, to)) as [Point, Point]
    await mouse('mousePressed', a)
    for (const part of [0.1, 0.4, 0.7, 1])
      await mouse('mouseMoved', { x: a.x + (b.x - a.x) * part, y: a.y + (b.y - a.y) * part })
    await until(over)
    await mouse('mouseMoved', { x: b.x + 1, y: b.y })
    await mouse('mouseReleased', b)
  }
  /** The pointer where it explains nothing. */
  const rest = (): Promise<unknown> =>
    view.cdp('Input.dispatchMouseEvent', { type: 'mouseMoved', x: 0, y: 0 })
  /** A key as a hand presses it: by its name, or the sign on it. */
  const press = async (key: string): Promise<void> => {
    const code = KEY_CODES[key] ?? key.toUpperCase().charCodeAt(0)
    const event = {
      key,
      windowsVirtualKeyCode: code,
      ...(key.length === 1 && { text: key }),
      ...(key === 'Enter' && { text: '\r' }),
    }
    await view.cdp('Input.dispatchKeyEvent', { type: 'keyDown', ...event })
    await view.cdp('Input.dispatchKeyEvent', { type: 'keyUp', ...event })
  }
  const size = async (width: number, height: number): Promise<void> => {
    await view.cdp('Emulation.setDeviceMetricsOverride', {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: width < 600,
    })
  }
  const colors = async (scheme: 'light' | 'dark'): Promise<void> => {
    await view.cdp('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: scheme }],
    })
  }
  /** The whole page as a picture. */
  const picture = async (file: string): Promise<void> => {
    const { data } = await view.cdp<{ data: string }>('Page.captureScreenshot', {
      format: 'png',
      captureBeyondViewport: true,
    })
    mkdirSync(dirname(file), { recursive: true })
    await Bun.write(file, Buffer.from(data, 'base64'))
  }
  const saveIn = async (folder: string): Promise<void> => {
    await view.cdp('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: folder })
  }
  return {
    view,
    errors,
    origins,
    evaluate,
    until,
    text,
    has,
    click,
    drag,
    rest,
    table,
    size,
    colors,
    picture,
    saveIn,
    press,
    type: (what: string): Promise<void> => view.type(what),
    /** A visit of its own, also where only what stands behind # is another. */
    goTo: async (to: string): Promise<void> => {
      await view.navigate('about:blank')
      await view.navigate(to)
    },
    close: (): void => view.close(),
  }
}
