import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** What `npm ci` makes after the installation: everything that the sources need and git does not hold. */
const generators = [
  { tool: 'tools/prismaGenerate.ts', makes: 'src/generated', with: 'node_modules/prisma' },
  { tool: 'tools/client.ts', makes: 'dist/client', with: 'node_modules/typescript' },
  { tool: 'tools/graphiql.ts', makes: 'dist/graphiql', with: 'node_modules/@graphiql' },
];

for (const { tool, makes, with: generator } of generators) {
  if (!existsSync(tool)) continue;
  if (existsSync(generator)) run(tool);
  else if (!existsSync(makes))
    fail(`${makes} is missing, and so is ${generator} that makes it: run npm ci without --omit=dev.`);
}

function run(tool: string): void {
  const { status } = spawnSync(process.execPath, [tool], { stdio: 'inherit' });
  if (status !== 0) fail(`${tool} failed.`);
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}
