/**
 * The dashboard: makes the views, and gives the one that is open a sample of the daemon every second, and at once when
 * something has changed (/v1/watch). Served by api/page/pages.ts.
 */
import { onUnauthorized, takeToken } from './api.ts'
import { button, h, setText } from './dom.ts'
import { clock } from './format.ts'
import { createLogin } from './login.ts'
import { createModel } from './model.ts'
import { createThemeButton } from './theme.ts'
import { startTips } from './tip.ts'
import { frameView, type ViewDeps } from './view.ts'
import { createCaptureView } from './views/capture.ts'
import { createDropsView } from './views/drops.ts'
import { createLinksView } from './views/links.ts'
import { createNeighsView } from './views/neighs.ts'
import { createPathView } from './views/path.ts'
import { createRoutesView } from './views/routes.ts'
import { createSocketsView } from './views/sockets.ts'
import { createSteeringView } from './views/steering.ts'
import { createTopologyView } from './views/topology.ts'
import { createWorkersView } from './views/workers.ts'
import { watch } from './watch.ts'

const PERIOD_MS = 1000
const SAID_MS = 6000
/** Changes that come together are looked at together. */
const SOON_MS = 150

takeToken()
const model = createModel()
const login = createLogin()
onUnauthorized(login.ask)

const state = h('span', { id: 'state', role: 'status' }, 'connecting')
const about = h('span', { id: 'about', class: 'soft' })
const gone = h('div', { id: 'gone', role: 'alert', hidden: true })
const said = h('div', { id: 'said', role: 'status', hidden: true })

let saidTimer: ReturnType<typeof setTimeout> | undefined
const say = (text: string, isBad = false): void => {
  setText(said, text)
  said.hidden = false
  said.classList.toggle('bad', isBad)
  clearTimeout(saidTimer)
  saidTimer = setTimeout(() => {
    said.hidden = true
  }, SAID_MS)
}

let soon: ReturnType<typeof setTimeout> | undefined
const refresh = (): void => {
  clearTimeout(soon)
  soon = setTimeout(() => void look(), SOON_MS)
}
const deps: ViewDeps = { model, say, refresh }
const frames = [
  createPathView(),
  createTopologyView(),
  createWorkersView(model),
  createSteeringView(deps),
  createLinksView(deps),
  createRoutesView(model),
  createNeighsView(model, deps),
  createSocketsView(),
  createDropsView(),
  createCaptureView(deps),
].map((view) => frameView(view, deps))
let open = frames[0]!

const tabs = frames.map(({ view }) => h('a', { href: `#${view.id}` }, view.title))
/** Of a row of tabs that is wider than the window the one that is open is seen. */
const showTab = (): void =>
  tabs[frames.indexOf(open)]!.scrollIntoView({ block: 'nearest', inline: 'center' })
window.addEventListener('resize', showTab)
const choose = (): void => {
  takeToken()
  const id = location.hash.slice(1)
  const left = open
  open = frames.find(({ view }) => view.id === id) ?? frames[0]!
  frames.forEach((frame, at) => {
    frame.element.hidden = frame !== open
    if (frame === open) tabs[at]!.setAttribute('aria-current', 'page')
    else tabs[at]!.removeAttribute('aria-current')
  })
  showTab()
  if (left !== open) {
    left.view.leave?.()
    // it was about the view that was left
    said.hidden = true
  }
  document.title = `${open.view.title}: softnet`
  const sample = model.sample()
  if (sample !== null) void update(sample)
}

const update = (sample: NonNullable<ReturnType<typeof model.sample>>): Promise<void> =>
  open.update(sample)

let lastHeard: Date | null = null
const setLive = (why: string | null): void => {
  const isLive = why === null
  state.className = isLive ? 'live' : 'gone'
  setText(state, isLive ? 'live' : 'no answer')
  document.body.classList.toggle('gone', !isLive)
  gone.hidden = isLive
  if (isLive) return
  const since = lastHeard === null ? '' : ` What you see is from ${clock(lastHeard)}.`
  setText(gone, `The daemon does not answer: ${why}.${since} Trying again every second.`)
  model.interrupted()
}
const reasonOf = (error: Error): string =>
  error.name === 'TimeoutError'
    ? 'it takes longer than 4 s'
    : error instanceof TypeError
      ? 'no connection'
      : error.message

let isLooking = false
const look = async (): Promise<void> => {
  if (isLooking || document.hidden) return
  isLooking = true
  try {
    const sample = await model.look()
    await update(sample)
    const { version, workers, revision } = sample
    setText(
      about,
      `${version}, ${workers.length} worker${workers.length === 1 ? '' : 's'}, revision ${revision}`
    )
    lastHeard = new Date()
    setLive(null)
  } catch (error) {
    setLive(reasonOf(error as Error))
  } finally {
    isLooking = false
  }
}

const wall = button('wall', 'Fills the screen with the picture: for a wall', () => {
  const isOn = document.body.classList.toggle('wall')
  if (isOn) void document.documentElement.requestFullscreen?.().catch(() => {})
  else if (document.fullscreenElement !== null) void document.exitFullscreen()
})
wall.dataset['role'] = 'wall'
const header = h(
  'header',
  {},
  h('h1', {}, 'softnet'),
  state,
  about,
  h(
    'div',
    { class: 'right' },
    h('a', { href: '/docs' }, 'API'),
    wall,
    createThemeButton(() => dispatchEvent(new Event('themechange')))
  )
)
document.body.append(
  header,
  h('nav', { 'aria-label': 'views' }, ...tabs),
  h('main', {}, gone, ...frames.map(({ element }) => element)),
  said
)
startTips()
addEventListener('hashchange', choose)
choose()
watch(['neigh', 'route', 'link', 'address'], (change) => {
  model.addChange(change)
  refresh()
})
setInterval(() => void look(), PERIOD_MS)
// A hidden page asks nothing; rates begin anew when it comes back.
document.addEventListener('visibilitychange', () => model.interrupted())
void look()
