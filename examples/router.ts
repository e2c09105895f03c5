import { createNetwork, virtualTime } from 'softnet'

const time = virtualTime() // a minute takes as long as what happens in it; without: the machine's
const network = createNetwork({ time })
const eth = (ifname: string, address: string) => ({ ifname, addresses: [address] })
const via = (gateway: string) => [{ dst: 'default', gateway }]
const a = await network.host('a', { link: [eth('eth0', '10.0.1.1/24')], route: via('10.0.1.254') })
const b = await network.host('b', { link: [eth('eth0', '10.0.2.2/24')], route: via('10.0.2.254') })
const router = await network.host('router', {
  link: [eth('eth1', '10.0.1.254/24'), eth('eth2', '10.0.2.254/24')],
  sysctl: { 'net.ipv4.ip_forward': 1 },
})
await network.wire([a, 'eth0'], [router, 'eth1'])
await network.wire([router, 'eth2'], [b, 'eth0'])

b.net.createServer((socket) => socket.pipe(socket)).listen(7)
const socket = a.net.connect(7, '10.0.2.2', () => socket.end('hello through the router'))
console.log(Buffer.concat(await time.until(socket.toArray())).toString())
await network.close()
