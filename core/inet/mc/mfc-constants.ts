/**
 * Multicast routes: where a packet of (source, group) that came in by a device goes on. Two tables of the same form, one of
 * routes that were set (control writes it) and one of routes that follow from what the hosts on the links have joined (CPU 0
 * does). Linux: struct mfc_cache, struct vif_device (include/linux/mroute_base.h).
 */

/** Tables. */
export const MFC_SET = 0
export const MFC_FOUND = 1

// A route.
/** The device it must come in by, or 0 while the row is free; of a route for any source, the devices it may be on. */
export const MFC_IIF = 0
export const MFC_SOURCE = 1
export const MFC_GROUP = 5
export const MFC_NEXT = 9
export const MFC_SERIAL = 10
/** 1: nobody knows yet where it leads; its packets wait, or are dropped. */
export const MFC_UNRESOLVED = 11
export const MFC_OIFS = 12
/** From here on: a device, and in the upper half the TTL that a packet must exceed. */
export const MFC_OIF = 16
export const MOST_OIFS = 48

// Words before the rows.
export const MFT_SEQ = 0
export const MFT_HIGH = 1

// float64 words of a route, of each worker.
export const MFC_PACKETS = 0
export const MFC_BYTES = 1
export const MFC_WRONG_IF = 2
/** Jiffies of its last packet. */
export const MFC_LAST_USE = 3
// ... and of a device.
export const VIF_BYTES_IN = 0
export const VIF_PACKETS_IN = 1
export const VIF_BYTES_OUT = 2
export const VIF_PACKETS_OUT = 3

// What a device is to multicast that passes through (DEV_MC_ROLE*).
/** Nothing passes. */
export const MC_ROLE_NONE = 0
/** What has been set alone. */
export const MC_ROLE_STATIC = 1
/** It is asked who listens, and they get it. */
export const MC_ROLE_DOWNSTREAM = 2
/** Where the rest of the network is: what the others listen to is joined there (RFC 4605). */
export const MC_ROLE_UPSTREAM = 3
