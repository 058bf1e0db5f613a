import type { Engine } from './engine.ts';
import { createPostgresql } from './postgresql/postgresql.ts';
import type { PostgresqlToolchain } from './postgresql/toolchain.ts';

/** Every engine of this release, by its name. */
export function createEngines(toolchains: { postgresql: PostgresqlToolchain }): Record<string, Engine> {
  const engines = [createPostgresql(toolchains.postgresql)];
  return Object.fromEntries(engines.map((engine) => [engine.name, engine]));
}
