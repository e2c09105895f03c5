/** What of the tests' simulation cases are made of (test/support). */
export type { SimHost } from '../test/support/net-sim.ts'
export { dialTcp, serveTcp, type TcpEnd, type TcpServer } from '../test/support/sim-apps.ts'
