import { createHash, randomBytes } from 'node:crypto';
import type { InstanceFacts } from '#domain/facts.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import type { PlannedStep, StepContext } from './operation.ts';

/** The steps by which an instance comes into being, that several operations share. */

export const provisionStep = ({ id }: Pick<InstanceFacts, 'id'>): string => `provision:${id}`;
export const joinStep = ({ id }: Pick<InstanceFacts, 'id'>): string => `join:${id}`;

export const planProvision = (instance: InstanceFacts): PlannedStep => ({
  key: provisionStep(instance),
  name: `provision ${instance.name}`,
  instanceId: instance.id,
});

export const planJoin = (instance: InstanceFacts): PlannedStep => ({
  key: joinStep(instance),
  name: `join ${instance.name}`,
  instanceId: instance.id,
});

/** Volume, address, name and agent of an instance. The agent's token is made anew each time: only its hash is stored. */
export async function provision(context: StepContext, instance: InstanceFacts): Promise<null> {
  const { cluster, engine, provider, projectName } = context;
  await context.setActivity([instance], 'PROVISIONING');
  const agentToken = randomBytes(32).toString('base64url');
  const agentTokenHash = new Uint8Array(createHash('sha256').update(agentToken).digest());
  await context.change(({ tx }) => tx.instance.update({ where: { id: instance.id }, data: { agentTokenHash } }));
  const place = await provider.ensureInstance({
    projectName,
    clusterId: cluster.id,
    clusterName: cluster.name,
    instanceId: instance.id,
    instanceName: instance.name,
    size: instance.size,
    engine: engine.name,
    engineVersion: cluster.engineVersion,
    standardPort: engine.standardPort,
    agentToken,
  });
  await context.change(({ tx }) => tx.instance.update({ where: { id: instance.id }, data: place }));
  return null;
}

/** A provisioned instance has joined its cluster, holds the data and serves. */
export async function join(context: StepContext, instance: InstanceFacts): Promise<null> {
  await context.setActivity([instance], 'SYNCING');
  await context.engine.join(context, placed(context, instance));
  await becomeActive(context, instance);
  return null;
}

/** From here on the instance's status is what its agent observes: so the observation must have seen it serve. */
export async function becomeActive(context: StepContext, { id, name }: InstanceFacts): Promise<void> {
  await context.until(`${name} to report that it serves`, ({ instances }) =>
    instances.some((instance) => instance.id === id && instance.observation?.serving === true),
  );
  await context.setActivity([{ id }], 'NONE');
}

/** The instance as the step began: with its address. */
export const placed = ({ cluster }: StepContext, { id, name }: InstanceFacts): InstanceFacts =>
  assertPresent(
    cluster.instances.find((instance) => instance.id === id),
    `instance ${name}`,
  );
