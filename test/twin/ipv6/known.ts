// Differences from the kernel that stay, each with its reason.

import type { Known } from '../known.ts'

export const KNOWN_IPV6: readonly Known[] = []
