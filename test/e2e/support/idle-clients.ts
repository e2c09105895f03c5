// Connects so many times to what listens, and then says nothing: prints a line of JSON when all stand, and holds them until it is
// killed. For the inside of a namespace: bun idle-clients.ts COUNT ADDRESS:PORT...

import { connect } from 'node:net'

export type Idle = { opened: number; failures: string[] }

const AT_ONCE = 100

if (import.meta.main) {
  const [count = '0', ...targets] = process.argv.slice(2)
  const result: Idle = { opened: 0, failures: [] }
  let begun = 0
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      const [host, port] = targets[begun++ % targets.length]!.split(':')
      const socket = connect(Number(port), host!, () => {
        result.opened++
        resolve()
      })
      socket.on('error', ({ message }) => {
        result.failures.push(message)
        resolve()
      })
    })
  const many = async (): Promise<void> => {
    while (begun < Number(count)) await one()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, many))
  console.log(JSON.stringify(result))
  setInterval(() => undefined, 1000)
}
