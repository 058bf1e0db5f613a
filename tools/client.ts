import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

// Makes dist/client, the client as JavaScript with its types: what `grove/client` means to those who have this checkout installed,
// and a package of its own (`npm pack ./dist/client`) for those who have not.
const out = resolve(process.argv[2] ?? 'dist/client');

rmSync(out, { recursive: true, force: true });
const tsc = resolve('node_modules/typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', 'src/client', '--outDir', out], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

type Manifest = Record<'version' | 'license', string> &
  Record<'dependencies' | 'devDependencies' | 'peerDependencies', Record<string, string>> & {
    peerDependenciesMeta: object;
    exports: Record<string, Record<string, string>>;
  };
const grove: Manifest = JSON.parse(readFileSync('package.json', 'utf8'));

const exported = Object.entries(grove.exports).map(([name, files]) => [
  name,
  Object.fromEntries(Object.entries(files).map(([kind, file]) => [kind, file.replace('./dist/client/', './')])),
]);
const manifest = {
  name: 'grove',
  version: grove.version,
  description: 'The client of Grove: subscriptions that resume.',
  license: grove.license,
  type: 'module',
  sideEffects: false,
  exports: Object.fromEntries(exported),
  dependencies: { 'graphql-ws': `^${grove.dependencies['graphql-ws']}` },
  peerDependencies: { graphql: '^16 || ^17', ...grove.peerDependencies },
  peerDependenciesMeta: grove.peerDependenciesMeta,
};
writeFileSync(join(out, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
copyFileSync('LICENSE', join(out, 'LICENSE'));
