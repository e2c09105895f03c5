/**
 * Answers are described by schemas that have exactly the fields of the control plane's types: the compiler refuses one
 * that lacks a field, has one too many, or of another type. So core's types stay the one source, and /openapi.json, which
 * tests hold against real answers, says the same.
 */
import { z } from 'zod'

/** `z.strictObject({ ... } satisfies Shape<Item>)` */
export type Shape<T> = {
  [K in keyof T]-?: Record<never, never> extends Pick<T, K>
    ? z.ZodOptional<z.ZodType<Exclude<T[K], undefined>>>
    : z.ZodType<T[K]>
}

/** What rises, or has no sign. */
export const count = z.number().min(0)
/** Any word, with anything. */
export const anything = z.record(z.string(), z.unknown())
