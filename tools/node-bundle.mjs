/** How sources become a program that Node 20 runs as it is, with its packages beside it. */
export const nodeBundle = /** @type {const} */ ({
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
});
