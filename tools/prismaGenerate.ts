import { spawnSync } from 'node:child_process';

// `prisma generate` never runs the schema engine, but Prisma's command line insists on downloading it first:
// naming any executable in its place is enough.
const { status } = spawnSync(process.execPath, ['node_modules/prisma/build/index.js', 'generate', '--no-hints'], {
  stdio: process.env.CI ? ['ignore', 'ignore', 'inherit'] : ['ignore', 'ignore', 'inherit'],
  env: {
    ...process.env,
    PATH: `node_modules/.bin:${process.env.PATH}`,
    PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    CHECKPOINT_DISABLE: '1',
  },
});
process.exit(status ?? 1);
