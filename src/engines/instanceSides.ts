import type { InstanceHost, InstanceSide } from './instanceSide.ts';
import { createPostgresqlInstanceSide } from './postgresql/instance/createPostgresqlInstanceSide.ts';
import type { PostgresqlToolchain } from './postgresql/toolchain.ts';

export type Toolchains = { postgresql: PostgresqlToolchain };

/** The agent's side of an engine, for one instance. */
export function createInstanceSide(engine: string, host: InstanceHost, toolchains: Toolchains): InstanceSide {
  switch (engine) {
    case 'postgresql':
      return createPostgresqlInstanceSide(host, toolchains.postgresql);
    default:
      throw new Error(`This agent knows no engine "${engine}". Its release may be older than the control plane's.`);
  }
}
