import { spawnSync } from 'node:child_process';

// `prisma generate` never runs the schema engine, but Prisma's command line insists on downloading it first: naming any
// executable in its place is enough.
const { status, stdout, stderr } = spawnSync(
  process.execPath,
  ['node_modules/prisma/build/index.js', 'generate', '--no-hints'],
  {
    encoding: 'utf8',
    env: {
      ...process.env,
      PATH: `node_modules/.bin:${process.env.PATH}`,
      PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      CHECKPOINT_DISABLE: '1',
    },
  },
);
if (status !== 0) {
  console.error(`Prisma could not generate its client from prisma/schema.prisma.\n${stdout}${stderr}`);
  process.exitCode = 1;
}
