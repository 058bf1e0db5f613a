import type { InstanceSize as InstanceSizeFacts } from '#domain/facts.ts';
import { defaultInstanceSize, limits } from '#domain/limits.ts';
import { builder } from '../builder.ts';

export const InstanceSize = builder.objectRef<InstanceSizeFacts>('InstanceSize').implement({
  description: 'What an instance may use of its host.',
  fields: (t) => ({
    cpuMillis: t.exposeInt('cpuMillis', { description: 'Processor, in thousandths of a core.' }),
    memoryMiB: t.exposeInt('memoryMiB', { description: 'Memory, in MiB.' }),
    storageGiB: t.exposeInt('storageGiB', { description: 'Storage, in GiB.' }),
  }),
});

const range = (name: 'cpuMillis' | 'memoryMiB' | 'storageGiB'): string =>
  `${limits[name].minimum} to ${limits[name].maximum}; ${defaultInstanceSize[name]} where no size is given.`;

export const InstanceSizeInput = builder.inputType('InstanceSizeInput', {
  description: 'What an instance may use of its host.',
  fields: (t) => ({
    cpuMillis: t.int({ required: true, description: `Processor, in thousandths of a core: ${range('cpuMillis')}` }),
    memoryMiB: t.int({ required: true, description: `Memory, in MiB: ${range('memoryMiB')}` }),
    storageGiB: t.int({ required: true, description: `Storage, in GiB: ${range('storageGiB')}` }),
  }),
});
