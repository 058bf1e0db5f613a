import { limits } from '#domain/limits.ts';
import { builder } from '../builder.ts';
import { InstanceSizeInput } from './InstanceSize.ts';

const names = `1 to ${limits.instanceNameMaxLength} characters: a-z, 0-9 and inner hyphens, beginning with a letter`;

export const InstanceInput = builder.inputType('InstanceInput', {
  description: 'One instance to make.',
  fields: (t) => ({
    name: t.string({ description: `Its name, unique in the cluster. ${names}. Left out: made from the cluster's.` }),
    size: t.field({
      type: InstanceSizeInput,
      description: "Its size; all of a cluster's are equal. Left out: the cluster's.",
    }),
  }),
});
