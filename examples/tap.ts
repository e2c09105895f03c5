import { startStack } from 'softnet'

const stack = await startStack({
  link: [{ ifname: 'soft0', kind: 'tap', addresses: ['10.9.0.2/24'] }],
})
stack.net
  .createServer((socket) => socket.end(`hello ${socket.remoteAddress}\n`))
  .listen(8080, () => console.log('ip addr add 10.9.0.1/24 dev soft0; nc 10.9.0.2 8080'))
process.once('SIGINT', stack.close)
