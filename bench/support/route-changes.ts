/**
 * Asks a daemon for changes of routes by the clock, in a process of its own with a small heap: what the asker is late itself, and how
 * long the daemon takes to answer, are two figures. Lines of standard input are PATH BODY; prints what each change took, as JSON.
 *
 *   bun bench/support/route-changes.ts SOCKET CHANGES-A-SECOND SECONDS
 */
import type { Socket } from 'bun'

export type ChangeTimes = { late: number[]; took: number[] }

/** Connections, one for each change that is not yet answered: a pause of the daemon's makes more of them. */
const CONNECTIONS = 256
/** The engine compiles what has been run a few times. */
const WARM_UP = 500
const GET_READY_MS = 500

const [path = '', perSecond = '', seconds = ''] = process.argv.slice(2)
const requests = (await Bun.stdin.text()).split('\n').map((line) => {
  const [target, body] = line.split(' ')
  const head = `PUT ${target} HTTP/1.1\r\nHost: softnet\r\nContent-Type: application/json\r\n`
  return Buffer.from(`${head}Content-Length: ${body!.length}\r\n\r\n${body}`)
})

type Asked = { change: number }
const total = Number(perSecond) * Number(seconds)
const times: ChangeTimes = { late: [], took: [] }
const sent = new Float64Array(WARM_UP + total)
const idle: Socket<Asked>[] = []
let answered = 0
const all = Promise.withResolvers<void>()

const onAnswer = (socket: Socket<Asked>, answer: Buffer): void => {
  const { change } = socket.data
  if (change >= WARM_UP) times.took.push(performance.now() - sent[change]!)
  if (!answer.subarray(0, 12).equals(OK)) all.reject(new Error(answer.toString()))
  idle.push(socket)
  if (++answered === WARM_UP + total) all.resolve()
}
const OK = Buffer.from('HTTP/1.1 200')
const connect = (): Promise<Socket<Asked>> =>
  Bun.connect<Asked>({ unix: path, data: { change: 0 }, socket: { data: onAnswer } })
const ask = async (change: number): Promise<void> => {
  const socket = idle.pop() ?? (await connect())
  socket.data.change = change
  sent[change] = performance.now()
  socket.write(requests[change % requests.length]!)
}

for (let n = 0; n < CONNECTIONS; n++) idle.push(await connect())
for (let n = 0; n < WARM_UP; n++) {
  await ask(n)
  await Bun.sleep(1)
}
Bun.gc(true)
await Bun.sleep(GET_READY_MS)
const begun = performance.now()
for (let n = 0; n < total; ) {
  const due = begun + (n * 1000) / Number(perSecond)
  const late = performance.now() - due
  if (late < 0) {
    await Bun.sleep(1)
    continue
  }
  times.late.push(late)
  await ask(WARM_UP + n++)
}
await all.promise
console.log(JSON.stringify(times))
process.exit()
