import { CliError } from '../cliError.ts';
import { defineCommand } from '../command.ts';
import { requestOperation, requestOptions } from '../requestOperation.ts';
import { wholeNumber } from '../wholeNumber.ts';

type Size = { 'cpu-millis'?: string; 'memory-mib'?: string; 'storage-gib'?: string };

export const clustersCreate = defineCommand({
  words: 'clusters create',
  argument: { name: 'NAME', meaning: 'the name of the new cluster' },
  summary: 'Asks for a cluster. It is built in the background, unless --wait says to stay.',
  options: {
    engine: { type: 'string', value: 'ENGINE', meaning: 'default: postgresql' },
    'engine-version': { type: 'string', value: 'VERSION', meaning: 'default: the newest that is available' },
    instances: { type: 'string', value: 'NUMBER', meaning: 'default: 1' },
    'cpu-millis': {
      type: 'string',
      value: 'NUMBER',
      meaning: 'thousandths of a core for each instance; with the next two',
    },
    'memory-mib': { type: 'string', value: 'NUMBER', meaning: 'memory of each instance' },
    'storage-gib': { type: 'string', value: 'NUMBER', meaning: 'storage of each instance' },
    allow: {
      type: 'string',
      multiple: true,
      value: 'CIDR',
      meaning: 'a network that may connect; more than once for more. Default: this host',
    },
    protect: { type: 'boolean', meaning: 'protect it from deletion' },
    ...requestOptions,
  },
  async run(invocation) {
    const { argument: name, values } = invocation;
    const size = sizeOf(values);
    const input = {
      name,
      engine: values.engine ?? 'postgresql',
      instanceCount: wholeNumber('instances', values.instances) ?? 1,
      ...(values['engine-version'] === undefined ? {} : { engineVersion: values['engine-version'] }),
      ...(size === null ? {} : { size }),
      ...(values.allow === undefined ? {} : { accessRules: values.allow.map((cidr) => ({ cidr })) }),
      ...(values.protect === undefined ? {} : { deletionProtection: values.protect }),
    };
    return await requestOperation(invocation, { mutation: 'createCluster', input });
  },
});

/** Null: none was asked for. */
function sizeOf(values: Size): { cpuMillis: number; memoryMiB: number; storageGiB: number } | null {
  const cpuMillis = wholeNumber('cpu-millis', values['cpu-millis']);
  const memoryMiB = wholeNumber('memory-mib', values['memory-mib']);
  const storageGiB = wholeNumber('storage-gib', values['storage-gib']);
  if (cpuMillis !== undefined && memoryMiB !== undefined && storageGiB !== undefined)
    return { cpuMillis, memoryMiB, storageGiB };
  if (cpuMillis === undefined && memoryMiB === undefined && storageGiB === undefined) return null;
  throw new CliError('usage', 'USAGE', 'A size has all three: --cpu-millis, --memory-mib and --storage-gib.');
}
