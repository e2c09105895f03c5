/** Every host asks every other, by datagrams to its echo service, small ones and some that no link takes in one piece. */
import type { Draw } from '../draw.ts'
import { Fault } from '../fault.ts'
import { addressOf, endOf, type Family, type Graph, type Node } from './graph.ts'

const ECHO = 7
const SIZES = [20, 1200, 1400, 4000] as const
/** A datagram that was too long for a link tells its sender so, and is lost: the next one is not. */
const TRIES = 6
/** Longer than neighbours take to be found, and than the time between two errors to one host. */
const WAIT_MS = 4000

type Question = { from: Node; to: Node; family: Family; bytes: Uint8Array; isAnswered: boolean }

/** Asks all; throws where the answer is not the graph's. How many questions. */
export const askAll = (graph: Graph, draw: Draw, what: string): number => {
  const hosts = graph.nodes.filter(({ asks }) => asks !== undefined)
  const questions = hosts.flatMap((from) =>
    hosts
      .filter((to) => to !== from)
      .flatMap((to) => ([4, 6] as const).map((family) => questionOf(draw, from, to, family)))
  )
  const listen = (): boolean => {
    for (const question of questions) question.isAnswered ||= hears(question)
    return false
  }
  const isOpen = (question: Question): boolean =>
    !question.isAnswered && graph.reaches(question.from, question.to)
  for (const { asks } of hosts) for (const family of [4, 6] as const) asks![family].heard.length = 0
  for (let tries = 0; tries < TRIES; tries++) {
    const open = tries === 0 ? questions : questions.filter(isOpen)
    if (open.length === 0) break
    for (const question of open) send(question)
    graph.sim.run(WAIT_MS, listen)
  }
  for (const { from, to, family, bytes, isAnswered } of questions) {
    const isExpected = graph.reaches(from, to)
    if (isAnswered === isExpected) continue
    const names = `${from.host.name} to ${to.host.name}, IPv${family}, ${bytes.length} bytes`
    throw new Fault(
      'route',
      `after ${what}: ${names}: ${isAnswered ? 'an answer without a way' : 'no answer'}`
    )
  }
  return questions.length
}
const questionOf = (draw: Draw, from: Node, to: Node, family: Family): Question => {
  const bytes = new Uint8Array(draw.pick(SIZES))
  for (let k = 0; k < bytes.length; k++) bytes[k] = draw.whole(0, 255)
  return { from, to, family, bytes, isAnswered: false }
}
const send = ({ from, to, family, bytes }: Question): void => {
  const [edge] = to.edges
  from.asks![family].send(bytes, addressOf(edge!, endOf(edge!, to), family), ECHO)
}
const hears = ({ from, family, bytes }: Question): boolean =>
  from.asks![family].heard.some((heard) => Buffer.compare(heard.bytes, bytes) === 0)
