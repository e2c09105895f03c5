// The dashboard in a real Chromium: every view loads and shows what the API says, each control does what its words say,
// and pictures of every view, at both widths, light and dark, are in out/dashboard for whoever wants to look.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { root } from '../../bin/bootstrap.mjs'
import type {
  FlowItem,
  LinkItem,
  NeighItem,
  RouteItem,
  RssItem,
} from '../../core/control/text/messages.ts'
import { type Browser, openBrowser } from './support/browser.ts'
import { type Daemon, startDaemon } from './support/daemon.ts'
import { describeE2e } from './support/inside.ts'

const PICTURES = `${root}/out/dashboard`
const WIDTHS = [1280, 390] as const
const COLORS = ['light', 'dark'] as const
const HEIGHT = { 1280: 900, 390: 844 } as const
const VIEWS = [
  'path',
  'topology',
  'workers',
  'steering',
  'links',
  'routes',
  'neighs',
  'sockets',
  'drops',
]
const TABLE = 'rss-indirection-table'

let daemon: Daemon
let link: string
let page: Browser

const show = async (view: string): Promise<void> => {
  await page.evaluate(`(location.hash = '${view}', 0)`)
  await page.until(`!document.querySelector('#view-${view}').hidden`)
}
const role = (view: string, name: string): string => `#view-${view} [data-role=${name}]`
const rss = async (ifname: string): Promise<number[]> =>
  (await daemon.must<RssItem>('GET', `/v1/links/${ifname}/rss`))[TABLE]
const linkItem = (ifname: string): Promise<LinkItem> =>
  daemon.must<LinkItem>('GET', `/v1/links/${ifname}`)
/** Looks until the daemon says so. */
const daemonSays = async (ask: () => Promise<boolean>): Promise<void> => {
  const late = performance.now() + 10_000
  while (!(await ask())) {
    if (performance.now() > late) throw new Error(`never so: ${ask}`)
    await Bun.sleep(50)
  }
}

describeE2e(import.meta.path, 'the dashboard', () => {
  beforeAll(async () => {
    daemon = await startDaemon({ command: 'demo', args: ['--api', '127.0.0.1:0'] })
    link = /http:\S+#token=\S+/.exec(daemon.said())![0]
    page = await openBrowser(link)
    await page.has('#state', 'live')
  })
  afterAll(async () => {
    page?.close()
    await daemon?.stop()
  })
  afterEach(() => {
    expect(page.errors.splice(0)).toEqual([])
  })

  describe('shows what the API says', () => {
    test('the token of the link is kept and gone from the address bar', async () => {
      expect(await page.evaluate<string>('location.href')).not.toContain('token')
      expect(link).toContain(await page.evaluate<string>(`sessionStorage.getItem('token')`))
    })

    test('a packet’s way: every device and worker has its box, what goes through has a rate', async () => {
      await show('path')
      const links = await daemon.list<LinkItem>('/v1/links')
      for (const { ifname } of links)
        for (const side of ['in', 'out'])
          expect(await page.text(`[data-box="${side} ${ifname}"] .name`)).toBe(ifname)
      for (const cpu of [0, 1])
        expect(await page.text(`[data-box="worker ${cpu}"] .name`)).toBe(`worker ${cpu}`)
      await page.until(
        `Number.parseFloat(document.querySelector('[data-box=ip-input] b').textContent) > 0`
      )
      await page.click('[data-box=forward]')
      expect(await page.text('.detail h3')).toBe('forward')
      expect(await page.text('.detail')).toContain('traceroute')
      const forwarded = await daemon.nstat('IpForwDatagrams')
      await page.until(
        `Number(document.querySelector('.detail table td').textContent.replaceAll(',', '')) >= ${forwarded}`
      )
    })

    test('topology: every link with its address, every neighbour that was seen', async () => {
      await show('topology')
      await page.has('.topology', '10.1.0.1/24')
      for (const { dst } of await daemon.list<NeighItem>('/v1/neighs'))
        if (!dst.startsWith('fe80:')) await page.has('.topology', dst)
    })

    test('workers: counters that have grown since, a plot for each measure', async () => {
      await show('workers')
      const { processed } = await daemon.must<{ processed: number }>('GET', '/v1/workers/0')
      const shown = `[...document.querySelectorAll('[data-table=workers] tbody tr:first-child td')].at(-3).textContent`
      await page.until(`Number(${shown}.replaceAll(',', '')) >= ${processed}`)
      expect(
        await page.evaluate<number>(`document.querySelectorAll('#view-workers canvas').length`)
      ).toBe(5)
    })

    test('links', async () => {
      await show('links')
      const links = await daemon.list<LinkItem>('/v1/links')
      await page.until(
        `document.querySelectorAll('[data-table=links] tbody tr').length === ${links.length}`
      )
      const shown = (await page.table('links')).map(({ device, mtu, state, qdisc }) => ({
        device,
        mtu,
        state,
        qdisc,
      }))
      expect(shown).toEqual(
        links.map(({ ifname, mtu, operstate, qdisc }) => ({
          device: ifname,
          mtu: String(mtu),
          state: operstate,
          qdisc,
        }))
      )
    })

    test('routes', async () => {
      await show('routes')
      const routes = await daemon.list<RouteItem>('/v1/routes')
      await page.until(
        `document.querySelectorAll('[data-table=routes] tbody tr').length === ${routes.length}`
      )
      const shown = (await page.table('routes')).map(({ dst, type, dev, table }) => [
        dst,
        type,
        dev,
        table,
      ])
      expect(shown).toEqual(routes.map(({ dst, type, dev = '', table }) => [dst, type, dev, table]))
    })

    test('neighbours', async () => {
      await show('neighs')
      const neighs = await daemon.list<NeighItem>('/v1/neighs')
      await page.until(
        `document.querySelectorAll('[data-table=neighs] tbody tr').length >= ${neighs.length}`
      )
      const shown = (await page.table('neighs')).map(({ address, dev, lladdr }) => [
        address,
        dev,
        lladdr,
      ])
      for (const { dst, dev, lladdr = '' } of neighs)
        expect(shown).toContainEqual([dst, dev, lladdr])
    })

    test('sockets: all that listen', async () => {
      await show('sockets')
      await page.until(`document.querySelectorAll('[data-table=sockets] tbody tr').length > 0`)
      const shown = await page.table('sockets')
      expect(
        shown.filter(({ local, state }) => state === 'LISTEN' && local === '0.0.0.0:7').length
      ).toBeGreaterThan(0)
    })

    test('drops: by reason, with where and what it means', async () => {
      await daemon.must('PUT', '/v1/tables/main/routes/198.51.100.0/24', { type: 'blackhole' })
      await show('drops')
      await page.until(`document.querySelectorAll('[data-table=drops] tbody tr').length > 0`)
      for (const { reason, place, 'what it means': meaning } of await page.table('drops')) {
        expect(await daemon.dropped(reason!)).toBeGreaterThan(0)
        expect(place).not.toBe('')
        expect(meaning).not.toBe('')
      }
    })
  })

  describe('does what its controls say', () => {
    test('a slider impairs the link, another joins it, and perfect takes both away', async () => {
      await show('links')
      await page.evaluate(
        `(document.querySelector('[data-link=lan0] [data-netem=delay]').focus(), 0)`
      )
      for (let i = 0; i < 3; i++) await page.press('ArrowRight')
      await daemonSays(async () => (await linkItem('lan0')).netem?.delay === 3000)
      await page.evaluate(
        `(document.querySelector('[data-link=lan0] [data-netem=loss]').focus(), 0)`
      )
      await page.press('ArrowRight')
      await daemonSays(async () => (await linkItem('lan0')).netem?.loss === 0.1)
      expect((await linkItem('lan0')).netem).toEqual({ delay: 3000, loss: 0.1 })
      await page.click(`[data-link=lan0] [data-role=perfect]`)
      await daemonSays(async () => (await linkItem('lan0')).netem === undefined)
    })

    test('a bucket that is dragged onto a worker is that worker’s, and so are its flows', async () => {
      await show('steering')
      await page.until(`document.querySelector('[data-lane="0"] [data-bucket="8"]')`)
      await page.drag('[data-bucket="8"]', '[data-lane="1"] .lane-head')
      await daemonSays(async () => (await rss('lan0'))[8] === 1)
      expect((await rss('lan0')).filter((worker) => worker === 1).length).toBe(65)
      await page.until(`document.querySelector('[data-lane="1"] [data-bucket="8"]')`)
      const flows = await daemon.list<FlowItem>('/v1/flows')
      expect(flows.length).toBeGreaterThan(0)
    })

    test('by keyboard: arrows move, Shift chooses many, a digit gives them to a worker; undo, equal', async () => {
      await show('steering')
      await page.evaluate(`(document.querySelector('[data-bucket="20"]').focus(), 0)`)
      await page.press('1')
      await daemonSays(async () => (await rss('lan0'))[20] === 1)
      await page.until(`!document.querySelector('${role('steering', 'undo')}').disabled`)
      await page.click(role('steering', 'undo'))
      await daemonSays(async () => (await rss('lan0'))[20] === 0)
      await page.click(role('steering', 'equal'))
      await daemonSays(async () => (await rss('lan0'))[8] === 0)
    })

    test('filter, sort', async () => {
      await show('routes')
      await page.click(role('routes', 'filter'))
      await page.type('10.2. broadcast')
      await page.until(`document.querySelectorAll('[data-table=routes] tbody tr').length === 1`)
      expect((await page.table('routes'))[0]!['dst']).toBe('10.2.0.255')
      for (let i = 0; i < '10.2. broadcast'.length; i++) await page.press('Backspace')
      await page.until(`document.querySelectorAll('[data-table=routes] tbody tr').length > 5`)
      await page.click('[data-table=routes] th:nth-child(4) button')
      const devices = (await page.table('routes')).map(({ dev }) => dev!)
      expect(devices).toEqual([...devices].sort())
    })

    test('freeze holds the view, and it goes on after', async () => {
      await show('workers')
      const processed = `[...document.querySelectorAll('[data-table=workers] tbody tr td:nth-child(10)')].map((cell) => cell.textContent).join()`
      await page.click(role('workers', 'freeze'))
      const frozen = await page.evaluate<string>(processed)
      const before = await page.evaluate<string>(
        `document.querySelector('#view-workers .u-legend').textContent`
      )
      const more =
        (await daemon.must<{ processed: number }>('GET', '/v1/workers/0')).processed + 200
      await daemonSays(
        async () =>
          (await daemon.must<{ processed: number }>('GET', '/v1/workers/0')).processed > more
      )
      expect(await page.evaluate<string>(processed)).toBe(frozen)
      expect(
        await page.evaluate<string>(`document.querySelector('#view-workers .u-legend').textContent`)
      ).toBe(before)
      await page.click(role('workers', 'freeze'))
      await page.until(`${processed} !== '${frozen}'`)
    })

    test('reset counts from now on', async () => {
      await show('drops')
      await page.until(`document.querySelectorAll('[data-table=drops] tbody tr').length > 0`)
      const first = `document.querySelector('[data-table=drops] tbody tr td:nth-child(3)')`
      const before = await page.evaluate<number>(`Number(${first}.textContent)`)
      await page.click(role('drops', 'reset'))
      await page.until(`${first} === null || Number(${first}.textContent) < ${before}`)
    })

    test('download saves what is shown', async () => {
      await page.view.cdp('Browser.setDownloadBehavior', {
        behavior: 'allow',
        downloadPath: daemon.folder,
      })
      await show('neighs')
      await page.click(role('neighs', 'download'))
      const file = `${daemon.folder}/softnet-neighs.json`
      await daemonSays(async () => existsSync(file))
      const saved = JSON.parse(readFileSync(file, 'utf8')) as NeighItem[]
      expect(saved.map(({ dst }) => dst)).toContain('10.1.0.10')
    })

    test('flush forgets the neighbours, and the page sees them come back as it happens', async () => {
      await show('neighs')
      await page.click(role('neighs', 'flush'))
      await page.has('[data-changes=neigh]', 'is gone')
      await page.has('[data-changes=neigh]', 'REACHABLE')
    })

    test('look up says which way, and the refusal in the daemon’s words', async () => {
      await show('routes')
      await page.evaluate(
        `(document.querySelector('${role('routes', 'lookup')}').value = '10.2.0.11', 0)`
      )
      await page.click('#view-routes form button')
      await page.has(role('routes', 'answer'), '10.2.0.11 dev lan1 src 10.2.0.1')
    })

    test('a route that another adds is there at once', async () => {
      await show('routes')
      await daemon.must('PUT', '/v1/tables/main/routes/203.0.113.0/24', { gateway: '10.2.0.11' })
      await page.has('[data-changes=route]', '203.0.113.0/24')
      await page.has('[data-table=routes]', '203.0.113.0/24')
    })

    test('the curl line gives what the view shows', async () => {
      for (const view of VIEWS) {
        await show(view)
        await page.until(`document.querySelector('#view-${view} .lines').textContent !== ''`)
        const lines = (await page.text(`#view-${view} .lines`)).split('\n')
        expect(lines.length).toBeGreaterThan(0)
        for (const line of lines.filter((text) => !text.includes('-X ') && !text.includes('-N '))) {
          const url = /'(http:.*)'/.exec(line)![1]!
          expect([url, (await fetch(url)).status]).toEqual([url, 200])
        }
      }
    })

    test('words are explained where they stand, by pointer and by keyboard', async () => {
      await show('workers')
      await page.evaluate(
        `(document.querySelector('[data-table=workers] [data-word=time_squeeze]').focus(), 0)`
      )
      await page.until(`!document.querySelector('#tip').hidden`)
      expect(await page.text('#tip')).toContain('net_rx_action')
      await page.press('Escape')
      await page.until(`document.querySelector('#tip').hidden`)
      const silent = await page.evaluate<string[]>(`[...document.querySelectorAll('[data-word]')]
        .filter((element) => {
          element.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }))
          const isSilent = document.querySelector('#tip').hidden
          document.querySelector('#tip').hidden = true
          return isSilent
        })
        .map((element) => element.dataset.word)`)
      expect(silent).toEqual([])
    })

    test('dark and light by the button', async () => {
      const paper = `getComputedStyle(document.body).backgroundColor`
      await page.colors('light')
      const light = await page.evaluate<string>(paper)
      await page.click('[data-role=theme]')
      expect(await page.evaluate<string>(paper)).not.toBe(light)
      await page.click('[data-role=theme]')
      expect(await page.evaluate<string>(paper)).toBe(light)
      await page.click('[data-role=theme]')
    })
  })

  test('pictures of every view: nothing is wider than the window', async () => {
    const wide: string[] = []
    for (const view of VIEWS) {
      await show(view)
      for (const width of WIDTHS) {
        await page.size(width, HEIGHT[width])
        const has = await page.evaluate<number>('document.documentElement.scrollWidth')
        if (has > width) wide.push(`${view} at ${width}: ${has}`)
        for (const scheme of COLORS) {
          await page.colors(scheme)
          // a frame, so that the plots have the colours and the width
          await page.evaluate(
            `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))`
          )
          await page.picture(`${PICTURES}/${view}-${width}-${scheme}.png`)
        }
      }
    }
    await page.size(1280, 900)
    expect(wide).toEqual([])
  }, 90_000)

  test('without a token one may look, and a change asks for it', async () => {
    await page.evaluate(`(sessionStorage.removeItem('token'), 0)`)
    await page.goTo(`${new URL(link).origin}/#neighs`)
    await page.has('#state', 'live')
    await page.click(role('neighs', 'flush'))
    await page.until(`document.querySelector('#login').open`)
    expect(await page.text('#login')).toContain('Permission denied')
    // a refusal is a failed load for the browser too
    page.errors.length = 0
    await page.type('wrong')
    await page.press('Enter')
    await page.until(
      `document.querySelector('#login').open && document.querySelector('#login input').value === ''`
    )
    page.errors.length = 0
    await page.type(new URLSearchParams(new URL(link).hash.slice(1)).get('token')!)
    await page.press('Enter')
    await page.until(`!document.querySelector('#login').open`)
    await page.has('#said', 'flushed')
  })
})
