// A program with a stack that connects to the kernel behind its TAP with Fast Open: says each answer, one a line.

import { startStack } from 'softnet'

const stack = await startStack({
  workers: 1,
  link: [{ ifname: 'soft0', kind: 'tap', addresses: ['10.9.0.2/24'] }],
})
/** What the echo answers to `text`. */
const ask = (text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let heard = ''
    stack.net
      .connect({ host: '10.9.0.1', port: 9000, fastOpen: true })
      .on('data', (chunk: Buffer) => {
        heard += chunk
      })
      .on('end', () => resolve(heard))
      .on('error', reject)
      .end(text)
  })
console.log('ready')
for await (const line of console) console.log(await ask(line))
await stack.close()
