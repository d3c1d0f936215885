import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 180_000,
    // Two cores, and most tests hold real servers: files side by side only starve each other.
    maxWorkers: 2,
    pool: 'forks',
  },
});
