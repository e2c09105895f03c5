/** A thread of a point: says which thread of the process it is, then becomes the program it was started for. */
import { readlinkSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import type { NumberedData } from './thread-data.ts'

const { tids, thread, program } = workerData as NumberedData
tids[thread] = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
await import(program)
