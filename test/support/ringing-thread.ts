// A thread that has rung an application's doorbell once and never returns to its event loop, as a worker does not.
import { parentPort, workerData } from 'node:worker_threads'
import { createRinger } from '../../workers/app/doorbell.ts'

const { id, thread, app, end } = workerData
createRinger(id, thread)(app)
parentPort!.postMessage('rung')
Atomics.wait(new Int32Array(end), 0, 0)
