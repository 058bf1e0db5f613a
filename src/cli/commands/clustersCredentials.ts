import { defineCommand } from '../command.ts';
import { exitCodes } from '../exitCodes.ts';
import { findCluster } from '../findCluster.ts';
import { printable } from '../printable.ts';

type Credentials = { username: string; password: string; database: string; uri: string | null };

const document = /* GraphQL */ `mutation ($clusterId: ID!) {
  revealCredentials(input: { clusterId: $clusterId }) {
    ... on RevealCredentialsPayload { username password database uri }
    ... on Error { code message }
  }
}`;

export const clustersCredentials = defineCommand({
  words: 'clusters credentials',
  argument: { name: 'CLUSTER', meaning: 'the name or the id of a cluster' },
  summary:
    "Prints how a client signs in, with the password in clear. Needs a key of role ADMIN, and is an event in the project's log.",
  async run({ argument, api, host, say, tell }) {
    const calls = await api();
    const { id: clusterId, name } = await findCluster<{ id: string; name: string }>(calls, argument, 'id name');
    const credentials = await calls.mutate<Credentials>(document, { clusterId });
    host.stderr.write(
      `grove: This is the password of ${name}, in clear: keep it out of logs and shared screens. That it was shown is in the project's log.\n`,
    );
    tell(credentials);
    for (const line of linesOf(credentials)) say(line);
    return exitCodes.done;
  },
});

function linesOf({ username, password, database, uri }: Credentials): string[] {
  const rows = { username, password, database, uri: uri ?? '– (no primary has an address now)' };
  return Object.entries(rows).map(([name, value]) => `${name.padEnd(8)}  ${printable(value)}`);
}
