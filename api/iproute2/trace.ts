/** A traced packet as text: its frame, a line for each stage, and what became of it. `>` leads stages of what it led to. */
import type { TracedPacket, TraceStage } from '../../core/control/text/messages.ts'

const STAGE_WIDTH = 12

const stageLine = ({ at_us, cpu, answer, stage, text }: TraceStage): string =>
  `${String(at_us).padStart(8)} us  cpu ${cpu} ${answer === true ? '>' : ' '} ${stage.padEnd(STAGE_WIDTH)} ${text}`

export const traceText = ({ dev, frame, stages, verdict }: TracedPacket): string =>
  [`${dev}: ${frame}`, ...stages.map(stageLine), `${' '.repeat(8)} => ${verdict}`, ''].join('\n')
