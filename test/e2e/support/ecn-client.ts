// A program with a stack that asks the kernel behind its TAP for AccECN: says what `ss` shows of each connection, one a line,
// when the echo has answered.

import { startStack } from 'softnet'

const stack = await startStack({
  workers: 1,
  sysctl: { 'net.ipv4.tcp_ecn': 3 },
  link: [{ ifname: 'soft0', kind: 'tap', addresses: ['10.9.0.2/24'] }],
})
console.log('ready')
for await (const line of console) {
  // Bun's console has one more line, an empty one, behind the last; the echo has no answer to nothing
  if (line === '') break
  const heard = await new Promise<string>((resolve, reject) => {
    const socket = stack.net.connect({ host: '10.9.0.1', port: 9000 })
    socket
      .on('data', (chunk: Buffer) => {
        resolve(chunk.toString())
        socket.end()
      })
      .on('error', reject)
      .write(line)
  })
  console.log(heard)
}
await stack.close()
