import { ForbiddenError, InvalidInputError } from '#domain/errors.ts';
import { limits } from '#domain/limits.ts';
import { updateProject } from '#operations/updateProject.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { Project } from '../types/Viewer.ts';

const UpdateProjectPayload = builder.objectRef<{ projectId: string }>('UpdateProjectPayload').implement({
  description: 'The change is in force.',
  fields: (t) => ({
    project: t.prismaField({
      type: Project,
      description: 'The project, with the change.',
      resolve: (query, { projectId: id }, _args, { db }) => db.project.findUniqueOrThrow({ ...query, where: { id } }),
    }),
  }),
});

const left = `At most ${limits.quota}. Left out: as it is. Null: as the configuration says.`;

const QuotaInput = builder.inputType('QuotaInput', {
  description:
    'The most that a project may have. What is left out stays; null brings the limit of the configuration back.',
  fields: (t) => ({
    instances: t.int({ description: `Instances, of all clusters together. ${left}` }),
    storageGiB: t.int({ description: `The storage of all instances together, in GiB. ${left}` }),
    backups: t.int({ description: `Backups that are kept. ${left}` }),
  }),
});

builder.mutationField('updateProject', (t) =>
  t.fieldWithInput({
    type: UpdateProjectPayload,
    description:
      'Sets how much your project may have. Needs a key of role ADMIN. A limit may be set below what is used: nothing is taken ' +
      'away, and nothing more accepted until it fits.',
    errors: { types: [InvalidInputError, ForbiddenError] },
    typeOptions: { description: 'What to change of the project.' },
    input: { quota: t.input.field({ type: QuotaInput, required: true, description: 'The limits to set.' }) },
    resolve: async (_root, { input }, context) =>
      await updateProject(context.operations, requireActor(context), { quota: { ...input.quota } }),
  }),
);
