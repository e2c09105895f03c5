/**
 * The library: what a program gets by `import ... from 'softnet'`. Sockets of Node's shapes over a stack of threads and real
 * devices (startStack), or over hosts and wires in the program's own thread (createNetwork).
 */
export { createNetwork, type NetworkHost, type NetworkOptions } from './network.ts'
export { type StackOptions, startStack } from './stack.ts'
export { type NetworkTime, realTime, type VirtualTime, virtualTime } from './time.ts'
