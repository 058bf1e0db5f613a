import type { QuotaChange as QuotaChangeFacts, QuotaResource as QuotaResourceName, QuotaUse } from '#domain/quota.ts';
import { builder } from '../builder.ts';
import { describedEnum } from '../describedEnum.ts';

export const QuotaResource = describedEnum<QuotaResourceName>(
  'QuotaResource',
  'What a project has only so much of. More may be added.',
  {
    INSTANCES: 'Instances, of all clusters together.',
    STORAGE_GIB: 'The storage of all instances together, in GiB, by their sizes.',
    BACKUPS: 'Backups that are kept.',
  },
);

const used = 'All that counts against the limit, with what is reserved.';
const limit = 'The most that is accepted. It may be below what is used, where it was lowered.';

export const ProjectQuota = builder.objectRef<QuotaUse>('ProjectQuota').implement({
  description:
    'How the project stands with one resource. What an accepted operation makes counts from then on until it is removed, ' +
    'also where the operation failed.',
  fields: (t) => ({
    resource: t.expose('resource', { type: QuotaResource, description: 'What it is about.' }),
    used: t.exposeInt('used', { description: used }),
    reserved: t.exposeInt('reserved', {
      description: 'The part of `used` that is accepted and has no place on a machine yet.',
    }),
    limit: t.exposeInt('limit', { description: limit }),
  }),
});

export const QuotaChange = builder.objectRef<QuotaChangeFacts>('QuotaChange').implement({
  description: 'What an operation takes of one resource, or gives back.',
  fields: (t) => ({
    resource: t.expose('resource', { type: QuotaResource, description: 'What it is about.' }),
    change: t.exposeInt('change', {
      description:
        'What it takes, from its acceptance on. Below 0: what it gives back, each part as soon as it is gone.',
    }),
    used: t.exposeInt('used', { description: `${used} Without this operation.` }),
    limit: t.exposeInt('limit', { description: limit }),
  }),
});
