import type { Actor as ActorFacts, Role } from '#domain/actor.ts';
import { builder } from '../builder.ts';
import { describedEnum } from '../describedEnum.ts';
import { toGlobalId } from '../globalId.ts';

export const ApiKeyRole = describedEnum<Role>(
  'ApiKeyRole',
  'What a key may do in its project. Each role includes the ones before it.',
  {
    VIEWER: 'Read everything in the project except secrets.',
    OPERATOR: 'Also run lifecycle operations.',
    ADMIN: 'Also manage keys, quotas, credentials and deletion protection.',
  },
);

const ActorKind = describedEnum<ActorFacts['kind']>('ActorKind', 'What kind of actor it is. More may be added.', {
  API_KEY: 'Whoever holds an API key.',
  SYSTEM: 'Grove itself, e.g. a monitor.',
});

export const Actor = builder.objectRef<ActorFacts>('Actor').implement({
  description: 'Who caused a change.',
  fields: (t) => ({
    kind: t.expose('kind', { type: ActorKind, description: 'What kind of actor it is.' }),
    name: t.exposeString('name', { description: 'The name of the key, or of the part of Grove.' }),
    role: t.field({
      type: ApiKeyRole,
      nullable: true,
      description: 'The role that the key had then; null for Grove itself.',
      resolve: (actor) => (actor.kind === 'API_KEY' ? actor.role : null),
    }),
    keyId: t.id({
      nullable: true,
      description: 'The id of the API key; null for Grove itself.',
      resolve: (actor) => (actor.kind === 'API_KEY' ? toGlobalId('ApiKey', actor.keyId) : null),
    }),
  }),
});
