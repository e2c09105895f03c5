import { createNetwork, virtualTime } from 'softnet'

const time = virtualTime()
const network = createNetwork({ time })
const a = await network.host('a', { link: [{ ifname: 'eth0', addresses: ['10.0.0.1/24'] }] })
const b = await network.host('b', { link: [{ ifname: 'eth0', addresses: ['10.0.0.2/24'] }] })
await network.wire([a, 'eth0'], [b, 'eth0'])

const ping = a.raw.createSocket({ type: 'dgram' }) // its identifier is the stack's to choose
const answered = new Promise<void>((resolve) =>
  ping.on('message', (reply: Buffer, from: string) => {
    console.log(`${reply.length} bytes from ${from}: icmp_seq=${reply.readUInt16BE(6)}`)
    if (reply.readUInt16BE(6) === 3) resolve()
  })
)
for (const seq of [1, 2, 3]) {
  const echo = Buffer.alloc(64)
  echo[0] = 8 // ICMP_ECHO; the stack puts in the identifier and the checksum
  echo.writeUInt16BE(seq, 6)
  ping.send(echo, '10.0.0.2')
}
await time.until(answered)
await network.close()
