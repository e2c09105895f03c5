/** The families by ip's names, which most messages carry. */
export type FamilyName = 'inet' | 'inet6'
