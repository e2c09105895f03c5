/** /rules: the policy of routing, like `ip rule`. A rule has no name: a deletion says in the query what tells it apart. */
import { Hono } from 'hono'
import { ruleItem } from '../schemas/answers/route.ts'
import type { RuleItem } from '../../core/control/text/messages.ts'
import { NLM_F_CREATE, NLM_F_EXCL } from '../../core/control/nlm-flags.ts'
import { ruleJson } from '../iproute2/rule.ts'
import { unreadable } from '../problem.ts'
import { check } from '../schemas/check.ts'
import { ruleFields, ruleFilter, ruleSelector, ruleSpec } from '../schemas/rule.ts'
import { dumpOf, readBody, sendChange } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { readListQuery, sendList } from './list.ts'

const tag = 'rules'

export const createRuleEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()

  api.get(
    '/rules',
    doc('Lists policy rules', {
      tag,
      like: 'ip rule',
      query: ruleFilter,
      items: ruleItem,
      shown: ruleItem.partial(),
    }),
    (c) => {
      const { words, filter } = readListQuery(c, ruleFilter)
      const rules = dumpOf(control, { type: 'RTM_GETRULE', filter })
      const show = { details: words.details === true }
      return sendList(c, rules, words, control.revision(), (rule: RuleItem) => ruleJson(rule, show))
    }
  )
  api.post(
    '/rules',
    doc('Adds a rule', {
      tag,
      like: 'ip rule add',
      body: ruleSpec,
      example: { from: '10.1.0.0/16', table: 100, priority: 1000 },
      change: ruleItem,
      status: 201,
    }),
    async (c) => {
      const rule = await readBody(c, ruleSpec)
      const flags = NLM_F_CREATE | NLM_F_EXCL
      return sendChange(c, control, { type: 'RTM_NEWRULE', flags, rule }, 201)
    }
  )
  api.put(
    '/rules',
    doc('Adds a rule unless it is there', {
      tag,
      body: ruleSpec,
      example: { to: '10.9.0.0/16', table: 'main', priority: 2000 },
      change: ruleItem,
    }),
    async (c) => {
      const rule = await readBody(c, ruleSpec)
      return sendChange(c, control, { type: 'RTM_NEWRULE', flags: NLM_F_CREATE, rule })
    }
  )
  api.delete(
    '/rules',
    doc('Deletes a rule', {
      tag,
      like: 'ip rule del',
      query: ruleFields,
      words: { priority: '32767' },
      change: ruleItem,
    }),
    (c) => {
      const rule = check(ruleSelector, c.req.query(), 'unreadable')
      if (Object.keys(rule).every((word) => word === 'family'))
        throw unreadable('"ip rule del" requires arguments.', [
          { field: 'priority', message: 'say which rule' },
        ])
      return sendChange(c, control, { type: 'RTM_DELRULE', rule })
    }
  )
  return api
}
