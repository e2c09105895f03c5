/**
 * Makes a light class stand for one of the runtime's: what the light one does not do itself is asked of its `native`, and
 * `instanceof` holds. Application thread only.
 */
type Class = { prototype: object }

export const delegate = (light: Class, native: Class): void => {
  for (const [name, { get, value }] of Object.entries(
    Object.getOwnPropertyDescriptors(native.prototype)
  )) {
    if (Object.hasOwn(light.prototype, name) || name === 'method' || name === 'url') continue
    const asked =
      get === undefined
        ? {
            value(this: { native: object }, ...args: unknown[]): unknown {
              return Reflect.apply(value, this.native, args)
            },
          }
        : {
            get(this: { native: object }): unknown {
              return Reflect.apply(get, this.native, [])
            },
          }
    Object.defineProperty(light.prototype, name, { ...asked, configurable: true })
  }
  Object.setPrototypeOf(light.prototype, native.prototype)
}
