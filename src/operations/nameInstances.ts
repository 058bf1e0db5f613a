import { InvalidInputError } from '#domain/errors.ts';
import type { InstanceSize } from '#domain/facts.ts';

export type NamedInstance = { name: string; size: InstanceSize };

/** What is asked for of a new instance. What is left out is chosen. */
type WantedInstance = { name?: string | null | undefined; size?: InstanceSize | null | undefined };

type Choices = {
  cluster: string;
  /** Names that the cluster's instances have already. */
  taken: readonly string[];
  size: InstanceSize;
};

/**
 * The instances asked for, each with a name: its own, or the first free one of `<cluster>-1`, `<cluster>-2`, … Throws
 * InvalidInputError where two ask for the same name.
 */
export function nameInstances(wanted: readonly WantedInstance[], { cluster, taken, size }: Choices): NamedInstance[] {
  const asked = wanted.flatMap((instance) => instance.name ?? []);
  if (new Set(asked).size !== asked.length) {
    throw new InvalidInputError([{ path: 'instances', message: 'Two instances have the same name.' }]);
  }
  const unfree = new Set([...taken, ...asked]);
  let number = 0;
  const nextName = (): string => {
    do number += 1;
    while (unfree.has(`${cluster}-${number}`));
    return `${cluster}-${number}`;
  };
  return wanted.map((instance) => ({ name: instance.name ?? nextName(), size: instance.size ?? size }));
}
