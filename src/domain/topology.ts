import { isDeepStrictEqual } from 'node:util';
import type { InstanceSize } from './facts.ts';
import { TopologyError } from './instanceErrors.ts';

/** What a rule on topology needs of an engine. */
type EngineRule = { displayName: string; size: { minimum: number; maximum: number; oddOnly: boolean } };

/** The engine's rule on the number of instances. */
export function instanceCountAllowed({ displayName, size }: EngineRule, count: number): TopologyError[] {
  const { minimum, maximum, oddOnly } = size;
  if (count < minimum || count > maximum) {
    const message = `A ${displayName} cluster has ${minimum} to ${maximum} instances, not ${count}.`;
    return [new TopologyError(message, { rule: 'INSTANCE_COUNT', minimum, maximum })];
  }
  if (oddOnly && count % 2 === 0) {
    const message = `A ${displayName} cluster has an odd number of instances, not ${count}.`;
    return [new TopologyError(message, { rule: 'ODD_INSTANCE_COUNT', minimum, maximum })];
  }
  return [];
}

/** All instances of a cluster are of one size: any of them may have to be the primary. */
export function equalSizes({ size }: EngineRule, instances: readonly { size: InstanceSize }[]): TopologyError[] {
  const [first] = instances;
  if (instances.every((instance) => isDeepStrictEqual({ ...instance.size }, { ...first?.size }))) return [];
  const { minimum, maximum } = size;
  const message = 'All instances of a cluster have the same size: give one size for all.';
  return [new TopologyError(message, { rule: 'EQUAL_SIZES', minimum, maximum })];
}
