import { readFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ApiClient, Shape } from './apiClient.ts';
import { operationEnd, uuidOf } from './clusterCalls.ts';
import type { GroveHome } from './groveProcess.ts';
import { killAll, processesOf, processTree } from './processTree.ts';

const errorFields = /* GraphQL */ `... on Error { code message }`;

const promotedFields = /* GraphQL */ `... on InstancePromoted {
  mode oldPrimary { name } newPrimary { name } lossBytes lossBasis writeGapMs oldPrimaryRejoined rejoinFailure
}`;

/** Asks for a promotion; answers with the mutation's result as it is. */
export async function requestPromotion(client: ApiClient, input: Record<string, unknown>): Promise<Shape> {
  const document = /* GraphQL */ `mutation ($input: PromoteInstanceInput!) {
    promoteInstance(input: $input) {
      __typename
      ... on PromoteInstancePayload { cluster { status } operation { id } }
      ... on OperationPlanned { blockers { code } }
      ... on InstanceNotPromotableError { reason }
      ... on ClusterBusyError { operation { id } }
      ${errorFields}
    }
  }`;
  return (await client.data(document, { input })).promoteInstance;
}

/** The codes of all that a promotion would be refused with now. */
export async function promotionBlockers(client: ApiClient, input: Record<string, unknown>): Promise<string[]> {
  const { blockers } = await requestPromotion(client, { ...input, plan: true });
  return blockers.map(({ code }: Shape) => code);
}

/** Waits for a promotion that must have been accepted and must end well; answers with its result. */
export async function promoted(client: ApiClient, request: Promise<Shape>): Promise<Shape> {
  const answer = await request;
  if (!answer.operation || answer.code) throw new Error(`It was refused: ${JSON.stringify(answer)}`);
  const end = await operationEnd(client, answer.operation.id);
  if (end.status !== 'SUCCEEDED') throw new Error(`The promotion ended with ${JSON.stringify(end)}`);
  return await promotionResult(client, answer.operation.id);
}

/** Asks that an instance follows the primary again; answers with the mutation's result as it is. */
export async function requestRejoin(client: ApiClient, input: Record<string, unknown>): Promise<Shape> {
  const document = /* GraphQL */ `mutation ($input: RejoinInstanceInput!) {
    rejoinInstance(input: $input) { ... on RejoinInstancePayload { operation { id } } ${errorFields} }
  }`;
  return (await client.data(document, { input })).rejoinInstance;
}

export async function promotionResult(client: ApiClient, operationId: string): Promise<Shape> {
  const document = /* GraphQL */ `query ($id: ID!) {
    node(id: $id) { ... on Operation { result { ${promotedFields} } } }
  }`;
  return (await client.data(document, { id: operationId })).node.result;
}

/** The newest operation of a kind on a cluster; null: there was none. */
export async function lastOperation(client: ApiClient, clusterId: string, kind: string): Promise<Shape> {
  const document = /* GraphQL */ `query ($id: ID!) {
    cluster(by: { id: $id }) { operations(first: 20) { nodes {
      id kind status error { code message } requestedBy { __typename name } result { ${promotedFields} }
    } } }
  }`;
  const { nodes } = (await client.data(document, { id: clusterId })).cluster.operations;
  return nodes.find((operation: Shape) => operation.kind === kind) ?? null;
}

/** kill -9 of an instance's agent and server; until `restore`, nobody can start them again. */
export async function loseInstance(
  home: GroveHome,
  clusterId: string,
  instanceId: string,
): Promise<{ restore(): Promise<void> }> {
  const uuid = uuidOf(instanceId);
  const file = join(home.directory, 'clusters', uuidOf(clusterId), uuid, 'agent.json');
  await rename(file, `${file}.away`);
  await killAll(processesOf(uuid));
  await killAll(processesOf(uuid));
  return { restore: () => rename(`${file}.away`, file) };
}

/** Until `thaw`, an instance's server goes on receiving what the primary sends, and replays nothing of it. */
export async function freezeReplay(instanceId: string): Promise<{ thaw(): void }> {
  const pid = await frozenServerProcess(instanceId, /^postgres: .*startup recovering/);
  return { thaw: () => process.kill(pid, 'SIGCONT') };
}

/** Until `end`, an instance's server receives nothing; then its receiver ends, without what was sent to it meanwhile. */
export async function freezeReceiver(instanceId: string): Promise<{ end(): void }> {
  const pid = await frozenServerProcess(instanceId, /^postgres: .*walreceiver streaming/);
  return {
    end() {
      process.kill(pid, 'SIGTERM');
      process.kill(pid, 'SIGCONT');
    },
  };
}

async function frozenServerProcess(instanceId: string, title: RegExp): Promise<number> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await pause(20)) {
    const found = processesOf(uuidOf(instanceId))
      .flatMap(({ pid }) => processTree(pid))
      .find(({ pid }) => title.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8')));
    if (!found) continue;
    process.kill(found.pid, 'SIGSTOP');
    return found.pid;
  }
  throw new Error(`Instance ${instanceId} has no process ${title}.`);
}

/** Changes how a cluster is guarded, and waits until that is in force. */
export async function guard(client: ApiClient, input: Record<string, unknown>): Promise<void> {
  const document = /* GraphQL */ `mutation ($input: UpdateClusterInput!) {
    updateCluster(input: $input) { ... on UpdateClusterPayload { operation { id status } } ${errorFields} }
  }`;
  const { updateCluster: answer } = await client.data(document, { input });
  if (!answer.operation) throw new Error(`It was refused: ${JSON.stringify(answer)}`);
  const end = await operationEnd(client, answer.operation.id);
  if (end.status !== 'SUCCEEDED') throw new Error(`The update ended with ${JSON.stringify(end)}`);
}
