/** An operation to try: its first comment line says what it does. */
export type Example = { title: string; query: string; variables: string };

const folder = '../src/server/graphiql/examples/';
const queries = import.meta.glob<string>('../src/server/graphiql/examples/*.graphql', {
  query: '?raw',
  import: 'default',
  eager: true,
});
const variables = import.meta.glob<string>('../src/server/graphiql/examples/*.variables.json', {
  query: '?raw',
  import: 'default',
  eager: true,
});

/** In the order of their file names. */
export const examples: readonly Example[] = Object.entries(queries)
  .sort(([one], [other]) => one.localeCompare(other))
  .map(([path, query]) => ({
    title: /^# *(.*)/.exec(query)?.[1] ?? path.slice(folder.length),
    query,
    variables: variables[path.replace('.graphql', '.variables.json')] ?? '',
  }));
