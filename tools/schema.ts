import { readFile, writeFile } from 'node:fs/promises';
import { lexicographicSortSchema, printSchema } from 'graphql';
import { buildSchema } from '#graphql/schema.ts';

const path = 'schema.graphql';
const usage = `Usage: npm run schema           print the API to ${path}
       npm run check:schema     fail if ${path} is not what would be printed`;

const args = process.argv.slice(2);
if (args.length > 1 || (args.length === 1 && args[0] !== '--check')) {
  console.error(usage);
  process.exit(2);
}

const printed = `${printSchema(lexicographicSortSchema(buildSchema()))}\n`;
if (args[0] !== '--check') {
  await writeFile(path, printed);
} else if ((await readFile(path, 'utf8').catch(() => '')) !== printed) {
  console.error(`${path} is not the API that the sources make. Run: npm run schema`);
  process.exitCode = 1;
}
