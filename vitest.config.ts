import { defineConfig } from 'vitest/config';
import { ClosingLineReporter } from './test/support/closingLineReporter.ts';

export default defineConfig({
  // graphql has a build for development behind an export condition of that name. Vite would take it for our modules, while Node
  // takes the other one for the libraries': two graphqls, which refuse each other's schemas.
  ssr: { resolve: { conditions: ['node', 'module-sync'] } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/postgresServer.ts'],
    reporters: ['default', new ClosingLineReporter({ failOnSkip: process.env.CI === 'true' })],
    pool: 'forks',
    // The tests mostly wait for servers: one at a time would leave the processors idle.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
  },
});
