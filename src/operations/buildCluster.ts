import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import type { JsonObject } from '#lib/values/json.ts';
import {
  becomeActive,
  join,
  joinStep,
  placed,
  planJoin,
  planProvision,
  provision,
  provisionStep,
} from './instanceSteps.ts';
import type { PlannedStep, RunStep, StepContext } from './operation.ts';
import { planVerify, verifyCluster, verifyStep } from './verifyCluster.ts';

const networkStep = 'network';
const bootstrapStep = ({ id }: InstanceFacts) => `bootstrap:${id}`;

/** The steps that make a group of new instances one cluster. */
export function planBuild({ instances }: ClusterFacts): PlannedStep[] {
  const [first, ...rest] = instances;
  return [
    { key: networkStep, name: 'create the network', instanceId: null },
    ...instances.map(planProvision),
    ...(first ? [{ key: bootstrapStep(first), name: `bootstrap ${first.name}`, instanceId: first.id }] : []),
    ...rest.map(planJoin),
    planVerify,
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
  await step(verifyStep, (context) => verifyCluster(context));
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

async function bootstrap(context: StepContext, first: InstanceFacts): Promise<null> {
  await context.setActivity([first], 'PROVISIONING');
  await context.engine.bootstrap(context, placed(context, first));
  await context.change(({ tx }) =>
    tx.cluster.update({ where: { id: context.cluster.id }, data: { primaryInstanceId: first.id } }),
  );
  await becomeActive(context, first);
  return null;
}
