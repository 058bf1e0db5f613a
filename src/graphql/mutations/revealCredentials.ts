import { ForbiddenError, NotFoundError } from '#domain/errors.ts';
import { type Credentials, revealCredentials } from '#operations/revealCredentials.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf } from '../globalId.ts';
import { clusterIdDescription } from './fieldDescriptions.ts';

const RevealCredentialsPayload = builder.objectRef<Credentials>('RevealCredentialsPayload').implement({
  description: 'How a client signs in to the databases of a cluster. Holds the password in clear.',
  fields: (t) => ({
    username: t.exposeString('username', { description: 'The user of the databases.' }),
    password: t.exposeString('password', { description: 'Its password.' }),
    database: t.exposeString('database', { description: 'The database that is there from the start.' }),
    uri: t.exposeString('uri', {
      nullable: true,
      description:
        'What a client library takes, with the password, to the primary; null while no primary has an address.',
    }),
  }),
});

builder.mutationField('revealCredentials', (t) =>
  t.fieldWithInput({
    type: RevealCredentialsPayload,
    description:
      "The only way to the password of a cluster. Needs a key of role ADMIN, and is an event in the project's log.",
    errors: { types: [NotFoundError, ForbiddenError] },
    typeOptions: { description: 'Of which cluster.' },
    input: { clusterId: t.input.id({ required: true, description: clusterIdDescription }) },
    resolve: async (_root, { input }, context) =>
      await revealCredentials(context.operations, requireActor(context), {
        clusterId: requireIdOf('Cluster', input.clusterId),
      }),
  }),
);
