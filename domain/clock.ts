/** Where model time comes from (docs/architecture.md, "Two clocks"): the wall, or a row that only a driver moves forward. */
export type ClockRef = { readonly kind: 'live' } | { readonly kind: 'driven'; readonly name: string };
