import { expect, test } from 'bun:test'
import { createFlowTable, FLOW_HASH, FLOW_PACKETS } from '../../../core/softnet/flow-table.ts'
import { createArena } from '../../../core/shm/arena.ts'
import { FLOW_WORDS, SMALL_ARENA } from '../../../core/shm/layout.ts'
import { SKB_HASH } from '../../../core/skb/skb.ts'
import { createSkbs } from '../../../core/skb/skbs.ts'

const FLOWS = 1024

const setup = () => {
  const arena = createArena({ ...SMALL_ARENA, flows: FLOWS })
  const skbs = createSkbs(arena, 0)
  const table = createFlowTable({
    arena,
    worker: 0,
    time: new Int32Array(8),
    dissect: () => 0,
    keys: new Int32Array(16),
  })
  const record = (hash: number): void => {
    const skb = skbs.alloc(64, 0)
    arena.i32[skb + SKB_HASH] = hash
    table.record(skb)
    skbs.free(skb)
  }
  const rows = () =>
    Array.from({ length: FLOWS }, (_, k) => arena.layout.flows + k * FLOW_WORDS)
      .map((row) => ({ hash: arena.i32[row + FLOW_HASH], packets: arena.i32[row + FLOW_PACKETS] }))
      .filter(({ hash }) => hash !== 0)
  return { record, rows }
}

test('packets of a flow are counted in its row; one without a hash has none', () => {
  const { record, rows } = setup()
  for (const hash of [77, 77, 0, 77]) record(hash)
  expect(rows()).toEqual([{ hash: 77, packets: 3 }])
})

test('flows whose hashes differ in their high bits alone have rows of their own', () => {
  const { record, rows } = setup()
  for (let flow = 1; flow <= 64; flow++) record(flow * FLOWS)
  expect(rows()).toHaveLength(64)
})
