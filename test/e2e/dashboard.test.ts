// The dashboard in a real Chromium: every view loads and shows what the API says, each control does what its words say,
// and pictures of every view, at both widths, light and dark, are in out/dashboard for whoever wants to look.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { root } from '../../bin/bootstrap.mjs'
import type {
  DropItem,
  FlowItem,
  LinkItem,
  NeighItem,
  RouteItem,
  RssItem,
} from '../../core/control/text/messages.ts'
import { requireTool, toolPath } from '../support/tools.ts'
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
  'capture',
]
const WITHIN_MS = 15_000
const TABLE = 'rss-indirection-table'

type CaptureInfo = { filter?: string; captured: number }

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
const tokenOf = (url: string): string =>
  new URLSearchParams(new URL(url).hash.slice(1)).get('token')!
/** Looks until the daemon says so. */
const daemonSays = async (ask: () => Promise<boolean>): Promise<void> => {
  const late = performance.now() + WITHIN_MS
  while (!(await ask())) {
    if (performance.now() > late) throw new Error(`never so: ${ask}`)
    await Bun.sleep(50)
  }
}
/** The page follows the daemon, which goes on meanwhile: both are looked at until they say the same. */
const agree = async <T>(page: () => Promise<T>, api: () => Promise<T>): Promise<void> => {
  const late = performance.now() + WITHIN_MS
  for (;;) {
    const [shown, said] = [await page(), await api()]
    if (Bun.deepEquals(shown, said)) return
    if (performance.now() > late) expect(shown).toEqual(said)
    await Bun.sleep(50)
  }
}
/** A download, when it is there as a whole. */
const downloaded = async (name: string): Promise<string> => {
  const file = `${daemon.folder}/${name}`
  await daemonSays(async () => existsSync(file))
  return readFileSync(file, 'latin1')
}
/** What a program writes, which finds the token as the lines for a shell expect it. */
const outputOf = async (argv: string[]): Promise<string> => {
  const env = { ...process.env, PATH: toolPath(), TOKEN: tokenOf(link) }
  const child = Bun.spawn(argv, {
    env,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'ignore',
    timeout: WITHIN_MS,
  })
  return new Response(child.stdout).text()
}
/** What the page was refused with this status, which its console calls an error, was to be refused. */
const wasRefused = (status: number): void => {
  const others = page.errors.filter((error) => !error.includes(`status of ${status}`))
  page.errors.splice(0, page.errors.length, ...others)
}

describeE2e(import.meta.path, 'the dashboard', () => {
  beforeAll(async () => {
    daemon = await startDaemon({ command: 'demo', args: ['--api', '127.0.0.1:0'] })
    link = /http:\S+#token=\S+/.exec(daemon.said())![0]
    page = await openBrowser(link)
    await page.has('#state', 'live')
  })
  afterAll(async () => {
    // all the while, whatever was looked at
    expect([...page.origins]).toEqual([new URL(link).origin])
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
      for (const host of ['10.1.0.10', '10.1.0.11', '10.2.0.10', '10.2.0.11'])
        await page.has('.topology', host)
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
      await agree(
        async () =>
          (await page.table('links')).map(({ device, mtu, state, qdisc }) => ({
            device,
            mtu,
            state,
            qdisc,
          })),
        async () =>
          (await daemon.list<LinkItem>('/v1/links')).map(({ ifname, mtu, operstate, qdisc }) => ({
            device: ifname,
            mtu: String(mtu),
            state: operstate,
            qdisc,
          }))
      )
    })

    test('routes', async () => {
      await show('routes')
      await agree(
        async () =>
          (await page.table('routes')).map(({ dst, type, dev, table }) => [dst, type, dev, table]),
        async () =>
          (await daemon.list<RouteItem>('/v1/routes')).map(({ dst, type, dev = '', table }) => [
            dst,
            type,
            dev,
            table,
          ])
      )
    })

    test('neighbours', async () => {
      await show('neighs')
      await agree(
        async () =>
          (await page.table('neighs')).map(({ address, dev, lladdr }) => [address, dev, lladdr]),
        async () =>
          (await daemon.list<NeighItem>('/v1/neighs')).map(({ dst, dev, lladdr = '' }) => [
            dst,
            dev,
            lladdr,
          ])
      )
    })

    test('sockets: the router’s, and those of the simulated hosts', async () => {
      await show('sockets')
      const row = (...cells: string[]): string =>
        `[...document.querySelectorAll('[data-table=sockets] tbody tr')].some((row) => row.textContent.startsWith('${cells.join('')}'))`
      await page.until(row('router', 'tcp', 'LISTEN', '0.0.0.0:7'))
      for (const host of ['shop', 'desk', 'mail', 'disk'])
        await page.until(row(host, 'tcp', 'LISTEN', '0.0.0.0:80'))
      const { out } = await daemon.cli('ss', '--netns', 'shop', '-ltn')
      expect(out).toMatch(/^LISTEN .* 0\.0\.0\.0:80 /m)
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
      await page.drag(
        '[data-bucket="8"]',
        '[data-lane="1"] .lane-head',
        `document.querySelector('[data-lane="1"]').classList.contains('over')`
      )
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
      const row = `document.querySelector('[data-table=drops] tbody tr')`
      await page.until(row)
      const [reason, before] = await page.evaluate<[string, number]>(
        `[${row}.cells[0].textContent, Number(${row}.cells[2].textContent.replaceAll(',', ''))]`
      )
      await page.click(role('drops', 'reset'))
      await daemonSays(async () => {
        const since = Number(
          (await page.table('drops'))
            .find((drop) => drop['reason'] === reason)
            ?.['since reset']?.replaceAll(',', '') ?? 0
        )
        return since <= (await daemon.dropped(reason)) - before
      })
      for (const { 'since reset': since, 'by worker': workers } of await page.table('drops')) {
        const sum = workers!.split(' ').reduce((total, of) => total + Number(of), 0)
        expect(sum).toBe(Number(since!.replaceAll(',', '')))
      }
    })

    test('download saves what is shown', async () => {
      await page.saveIn(daemon.folder)
      await show('neighs')
      await page.has('[data-table=neighs]', '10.1.0.10')
      await page.click(role('neighs', 'download'))
      const saved = JSON.parse(await downloaded('softnet-neighs.json')) as NeighItem[]
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
        await page.has(`#view-${view} .lines`, 'http:')
        const lines = (await page.text(`#view-${view} .lines`)).split('\n')
        expect(lines.length).toBeGreaterThan(0)
        const asks = (line: string): boolean =>
          line.startsWith('curl') && !line.includes('-X ') && !line.includes('-N ')
        for (const line of lines.filter(asks)) {
          const url = /'(http:.*)'/.exec(line)![1]!
          expect([url, (await fetch(url)).status]).toEqual([url, 200])
        }
      }
    })

    test('words are explained where they stand, by pointer and by keyboard', async () => {
      await show('workers')
      await page.rest()
      const explained = await page.evaluate<string>(`(() => {
        document.querySelector('[data-table=workers] [data-word=time_squeeze]').focus()
        const tip = document.querySelector('#tip')
        return tip.hidden ? '' : tip.textContent
      })()`)
      expect(explained).toContain('net_rx_action')
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

  describe('capture', () => {
    const rows = `document.querySelectorAll('[data-table=capture] tbody tr').length`
    const body = `document.querySelector('[data-table=capture] tbody').textContent`
    const want = async (filter: string): Promise<void> => {
      await page.evaluate(`(document.querySelector('${role('capture', 'bpf')}').value = '', 0)`)
      await page.click(role('capture', 'bpf'))
      await page.type(filter)
      await page.press('Enter')
    }
    const captures = (): Promise<CaptureInfo[]> => daemon.list<CaptureInfo>('/v1/captures')

    test('frames as they go by, those that the filter wants', async () => {
      await show('capture')
      await want('udp port 7')
      await page.until(`${rows} > 5`)
      for (const { frame, dev, way, length, 'died of': reason } of await page.table('capture')) {
        expect(frame).toMatch(/^IP 10\.[\d.]+ > 10\.[\d.]+: UDP, /)
        expect([dev, way]).toEqual([
          expect.stringMatching(/^lan[01]$/),
          expect.stringMatching(/^(in|out)$/),
        ])
        expect(Number(length)).toBeGreaterThan(42)
        expect(reason).toBe('')
      }
    })

    test('freeze holds what is shown while frames go on, and download is that, as pcapng', async () => {
      await page.click(role('capture', 'freeze'))
      const note = `Number.parseInt(document.querySelector('${role('capture', 'note')}').textContent) || 0`
      const [frozen, count] = await page.evaluate<[string, number]>(
        `[${body}, ${rows} + (${note})]`
      )
      const { captured } = (await captures())[0]!
      await daemonSays(async () => (await captures())[0]!.captured > captured + 20)
      expect(await page.evaluate<string>(body)).toBe(frozen)
      await page.saveIn(daemon.folder)
      await page.click(role('capture', 'download'))
      await downloaded('softnet-capture.pcapng')
      const read = await outputOf([
        requireTool('tcpdump'),
        '-nr',
        `${daemon.folder}/softnet-capture.pcapng`,
      ])
      expect(read.trim().split('\n')).toHaveLength(count)
      await page.click(role('capture', 'freeze'))
      await page.until(`${body} !== ${JSON.stringify(frozen)}`)
    })

    test('its curl line gives the same', async () => {
      await page.has('#view-capture .lines', 'udp+port+7')
      const [line] = (await page.text('#view-capture .lines')).split('\n')
      const first = await outputOf(['sh', '-c', `${line} -s | head -1`])
      expect(JSON.parse(first).frame).toContain('UDP')
    })

    test('what dies is there with its reason', async () => {
      await want('icmp and host 198.51.100.1')
      await daemonSays(async () => (await captures())[0]?.filter?.startsWith('icmp') === true)
      await daemon.cli('exec', '--', 'ping', '-c', '1', '-W', '1', '198.51.100.1')
      await page.until(
        `[...document.querySelectorAll('[data-table=capture] tbody td:last-child')].some((cell) => cell.textContent !== '')`
      )
      const reasons = (await daemon.list<DropItem>('/v1/drops')).map(({ reason }) => reason)
      for (const { 'died of': reason } of await page.table('capture'))
        if (reason !== '') expect(reasons).toContain(reason!)
    })

    test('a filter that makes no sense is refused in the daemon’s words', async () => {
      await want('port port')
      await page.has('#said', 'port')
      await page.has(role('capture', 'start'), 'start')
      wasRefused(422)
    })

    test('it ends when one leaves', async () => {
      await want('udp')
      await daemonSays(async () => (await captures()).length === 1)
      await show('path')
      await daemonSays(async () => (await captures()).length === 0)
    })
  })

  test('pictures of every view: nothing is wider than the window, the tab that is open is seen', async () => {
    const wide: string[] = []
    for (const view of VIEWS) {
      await show(view)
      if (view === 'capture') {
        await page.click(role('capture', 'start'))
        await page.until(`document.querySelectorAll('[data-table=capture] tbody tr').length > 40`)
      }
      await page.rest()
      for (const width of WIDTHS) {
        await page.size(width, HEIGHT[width])
        const has = await page.evaluate<number>('document.documentElement.scrollWidth')
        if (has > width) wide.push(`${view} at ${width}: ${has}`)
        await page.until(`(() => {
          const { left, right } = document.querySelector('[aria-current=page]').getBoundingClientRect()
          return left >= 0 && right <= ${width} && document.querySelector('#said').hidden
        })()`)
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

  test('the list of the API, and what explains its refusals, need nobody but the daemon', async () => {
    const { origin } = new URL(link)
    await page.goTo(`${origin}/docs`)
    const { paths } = await daemon.must<{ paths: Record<string, object> }>('GET', '/openapi.json')
    const operations = Object.values(paths).flatMap((path) => Object.keys(path)).length
    await page.until(`document.querySelectorAll('#list tr').length === ${operations}`)
    for (const [path, word, title] of [
      ['/problems', 'problems', 'Problems'],
      ['/problems/EEXIST', 'File exists', 'File exists'],
    ] as const) {
      await page.has(`a[href="${path}"]`, word)
      await page.goTo(origin + path)
      await page.has('h1', title)
    }
    expect([...page.origins]).toEqual([origin])
  })

  test('without a token one may look, and a change asks for it', async () => {
    await page.evaluate(`(sessionStorage.removeItem('token'), 0)`)
    await page.goTo(`${new URL(link).origin}/#neighs`)
    await page.has('#state', 'live')
    await page.click(role('neighs', 'flush'))
    await page.until(`document.querySelector('#login').open`)
    expect(await page.text('#login')).toContain('Permission denied')
    await page.type('wrong')
    await page.press('Enter')
    await page.until(
      `document.querySelector('#login').open && document.querySelector('#login input').value === ''`
    )
    await page.type(tokenOf(link))
    await page.press('Enter')
    await page.until(`!document.querySelector('#login').open`)
    await page.has('#said', 'flushed')
    wasRefused(401)
  })
})
