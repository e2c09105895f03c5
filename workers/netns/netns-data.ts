/** What the thread of the namespaces is started with. */
import type { ServicesConfig } from '../../core/socket/services/services.ts'
import type { ThreadData } from '../thread-data.ts'

export type NetnsData = ThreadData & {
  /** Which every namespace has, as the default net has them. */
  services: Partial<ServicesConfig>
  /** Changes are kept before they are answered. */
  isKept: boolean
  /** Module that exports createHostApp, for web servers; null: there are none. */
  hostApp: string | null
  /** Module that exports createHostApi; null: nobody asks. */
  hostApi: string | null
}
