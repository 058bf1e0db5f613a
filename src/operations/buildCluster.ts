import { createHash, randomBytes } from 'node:crypto';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { assertPresent } from '#lib/assertPresent.ts';
import type { JsonObject } from '#lib/json.ts';
import type { PlannedStep, RunStep, StepContext } from './operation.ts';

const networkStep = 'network';
const verifyStep = 'verify';
const provisionStep = ({ id }: InstanceFacts) => `provision:${id}`;
const bootstrapStep = ({ id }: InstanceFacts) => `bootstrap:${id}`;
const joinStep = ({ id }: InstanceFacts) => `join:${id}`;

/** The steps that make a group of new instances one cluster. */
export function planBuild({ instances }: ClusterFacts): PlannedStep[] {
  const [first, ...rest] = instances;
  return [
    { key: networkStep, name: 'create the network', instanceId: null },
    ...instances.map((instance) => ({
      key: provisionStep(instance),
      name: `provision ${instance.name}`,
      instanceId: instance.id,
    })),
    ...(first ? [{ key: bootstrapStep(first), name: `bootstrap ${first.name}`, instanceId: first.id }] : []),
    ...rest.map((instance) => ({ key: joinStep(instance), name: `join ${instance.name}`, instanceId: instance.id })),
    { key: verifyStep, name: 'verify the cluster', instanceId: null },
  ];
}

/** Network, the first instance, bootstrapped while the others are made, those joined in parallel as soon as each can be, verified. */
export async function buildCluster({ instances }: ClusterFacts, step: RunStep): Promise<JsonObject> {
  const [head, ...rest] = instances;
  const first = assertPresent(head, 'first instance');
  await step(networkStep, createNetwork);
  // The rest waits for its server anyway: where the host is busy, the first instance's agent comes up sooner alone.
  const provisioned = step(provisionStep(first), (context) => provision(context, first));
  const bootstrapped = provisioned.then(() => step(bootstrapStep(first), (context) => bootstrap(context, first)));
  const joined = rest.map(async (instance) => {
    await provisioned;
    await step(provisionStep(instance), (context) => provision(context, instance));
    await bootstrapped;
    await step(joinStep(instance), (context) => join(context, instance));
  });
  await Promise.all([bootstrapped, ...joined]);
  await step(verifyStep, verify);
  return { primaryInstanceId: first.id };
}

/** The group's network exists. */
export async function createNetwork({ cluster, provider, change }: StepContext): Promise<{ cidr: string }> {
  const { cidr, peers } = await provider.ensureNetwork(cluster.id);
  await change(({ tx }) =>
    tx.cluster.update({ where: { id: cluster.id }, data: { networkCidr: cidr, networkPeers: peers } }),
  );
  return { cidr };
}

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

async function bootstrap(context: StepContext, first: InstanceFacts): Promise<null> {
  await context.setActivity([first], 'PROVISIONING');
  await context.engine.bootstrap(context, placed(context, first));
  await context.change(({ tx }) =>
    tx.cluster.update({ where: { id: context.cluster.id }, data: { primaryInstanceId: first.id } }),
  );
  await becomeActive(context, first);
  return null;
}

async function join(context: StepContext, instance: InstanceFacts): Promise<null> {
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

/** The data path works, and what the agents report says so too. */
export async function verify(context: StepContext): Promise<null> {
  await context.engine.verify(context);
  await context.until('every instance to report that it is as wanted', (cluster) => isHealthy(context, cluster));
  return null;
}

const isHealthy = ({ engine }: StepContext, cluster: ClusterFacts): boolean =>
  engine.health(cluster).level === 'HEALTHY';
