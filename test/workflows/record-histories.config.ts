import { defineConfig } from 'vitest/config';

// By hand, once a release: npx vitest run --config test/workflows/record-histories.config.ts
export default defineConfig({
  test: {
    include: ['test/workflows/record-histories.ts'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 180_000,
    pool: 'forks',
  },
});
