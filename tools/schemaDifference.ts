import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import { SchemaEngine } from '@prisma/schema-engine-wasm';
import type { FieldDef, QueryResult } from 'pg';

export const schemaPath = 'prisma/schema.prisma';

const charType = 18;
const textType = 25;

/**
 * The SQL that leads from the tables of the database at `url` to what prisma/schema.prisma says, as Prisma's own engine finds
 * it. Null: they agree.
 */
export async function schemaDifference(url: string): Promise<string | null> {
  const schema = { files: [{ path: schemaPath, content: await readFile(schemaPath, 'utf8') }] };
  const engine = await SchemaEngine.new(
    { datamodels: schema.files.map(({ path, content }) => [path, content]) },
    () => undefined,
    bindMigrationAwareSqlAdapterFactory(new CharReadingPrismaPg({ connectionString: url, allowExitOnIdle: true })),
  );
  try {
    const { exitCode, stdout } = await engine.diff({
      from: { tag: 'schemaDatasource', ...schema, configDir: resolve('prisma') },
      to: { tag: 'schemaDatamodel', ...schema },
      script: true,
      exitCode: true,
      filters: { externalTables: [], externalEnums: [] },
    });
    return exitCode === 0 ? null : stdout;
  } finally {
    engine.free();
  }
}

/** Prisma's adapter refuses the type "char", which PostgreSQL's catalogue uses and Prisma's engine reads. */
class CharReadingPrismaPg extends PrismaPg {
  override async connect() {
    const adapter = await super.connect();
    const pool = adapter.underlyingDriver();
    const query = pool.query.bind(pool) as (config: unknown) => Promise<QueryResult | QueryResult[]>;
    const queryRaw = adapter.queryRaw.bind(adapter);
    // The engine awaits each answer before it asks again.
    let charFields: FieldDef[] = [];
    Object.assign(pool, {
      async query(config: unknown) {
        const answer = await query(config);
        charFields = [answer]
          .flat()
          .flatMap((result) => result.fields.filter((field) => field.dataTypeID === charType));
        for (const field of charFields) field.dataTypeID = textType;
        return answer;
      },
    });
    adapter.queryRaw = async (statement) => {
      const answer = await queryRaw(statement);
      for (const { name } of charFields)
        answer.columnTypes[answer.columnNames.indexOf(name)] = ColumnTypeEnum.Character;
      return answer;
    };
    return adapter;
  }
}
