import { beforeAll, expect, test } from 'vitest';
import type { ApiClient, Shape } from '../support/apiClient.ts';
import {
  cursorNow,
  eventsUntil,
  isBeginningOf,
  operationEnd,
  retryOperation,
  uuidOf,
} from '../support/clusterCalls.ts';
import { createGroveHome, destroyAfterAll, type GroveHome } from '../support/groveProcess.ts';
import { killAll, processesOf } from '../support/processTree.ts';
import {
  lastOperation,
  promoted,
  promotionBlockers,
  promotionResult,
  requestPromotion,
} from '../support/promotionCalls.ts';
import { requestRestart, succeeded } from '../support/topologyCalls.ts';
import { createWrittenCluster, type WrittenCluster } from '../support/writtenCluster.ts';

let home: GroveHome;
let client: ApiClient;
beforeAll(async () => {
  home = await createGroveHome();
  ({ client } = await home.start());
});
destroyAfterAll(() => home);

const patience = { timeout: 60_000, interval: 50 };
const automatic = { mode: 'AUTOMATIC', detectAfterSeconds: 1 };
const manual = { mode: 'MANUAL' };
/** A write takes at least so many bytes of a database's log. */
const leastBytesOfWrite = 50;

test('an operation that holds a cluster whose primary is lost is cancelled and says why; the failover follows', async () => {
  const cluster = await createWrittenCluster(home, client, {
    ...{ name: 'held', instanceCount: 3, synchronous: true, failover: automatic },
  });
  const from = await cursorNow(client);
  const { operation } = await requestRestart(client, { clusterId: cluster.id });
  await eventsUntil(client, from, isBeginningOf('restart held-2'));
  const { restore } = await cluster.lose('held-1');
  expect(await operationEnd(client, operation.id)).toMatchObject({
    status: 'CANCELLED',
    error: { code: 'CANCELLED', message: expect.stringMatching(/^It was cancelled: held-1, the primary, was lost/) },
  });
  await failedOver(cluster, { after: from, old: 'held-1' });
  await restore();
  await isWhole(cluster, { replicas: ['held-1'] });

  expect(await retryOperation(client, operation.id)).toMatchObject({ code: 'OPERATION_NOT_RETRYABLE' });
  expect(await succeeded(client, requestRestart(client, { clusterId: cluster.id }))).toMatchObject({
    verified: true,
    restarted: { length: 3 },
  });
  await cluster.isWritten();
  expect((await cluster.checked()).lost).toEqual([]);
}, 240_000);

test('a second failover while the first old primary is still away loses nothing, and both come back as replicas', async () => {
  const cluster = await createWrittenCluster(home, client, {
    ...{ name: 'twice', instanceCount: 3, synchronous: true, failover: automatic },
  });
  const from = await cursorNow(client);
  const first = await cluster.lose('twice-1');
  const second = await failedOver(cluster, { after: from, old: 'twice-1' });
  await cluster.isWritten();

  const again = await cursorNow(client);
  const lostAgain = await cluster.lose(second);
  const third = await failedOver(cluster, { after: again, old: second });
  expect(new Set(['twice-1', second, third]).size).toBe(3);
  await Promise.all([first.restore(), lostAgain.restore()]);
  await isWhole(cluster, { replicas: ['twice-1', second] });
  await cluster.isWritten();
  expect((await cluster.checked()).lost).toEqual([]);
}, 240_000);

test('a failover that elected nobody is retried once a replica is back, and loses nothing', async () => {
  const cluster = await createWrittenCluster(home, client, {
    ...{ name: 'alone', instanceCount: 2, synchronous: true, failover: manual },
  });
  const { restore } = await cluster.lose('alone-1');
  await isGranted(cluster);
  const processes = processesOf(uuidOf((await cluster.instance('alone-2')).id));
  // It is asked what it has while its silence is not known yet.
  for (const { pid } of processes) process.kill(pid, 'SIGSTOP');
  const { operation } = await requestPromotion(client, { clusterId: cluster.id, mode: 'FAILOVER' });
  expect(await operationEnd(client, operation.id)).toMatchObject({
    status: 'FAILED',
    error: { code: 'NOBODY_ELECTED', message: expect.stringContaining('alone-2 did not tell what it has') },
  });
  expect(await cluster.read()).toMatchObject({ primary: { name: 'alone-1' } });
  await killAll(processes);
  await isReported(cluster, 'alone-2');

  await isGranted(cluster);
  expect(await retryOperation(client, operation.id)).toMatchObject({ operation: { status: 'QUEUED' } });
  expect(await operationEnd(client, operation.id)).toMatchObject({ status: 'SUCCEEDED', error: null });
  expect(await promotionResult(client, operation.id)).toMatchObject({
    oldPrimary: { name: 'alone-1' },
    newPrimary: { name: 'alone-2' },
  });
  await restore();
  await isWhole(cluster, { replicas: ['alone-1'] });
  await cluster.isWritten();
  expect((await cluster.checked()).lost).toEqual([]);
}, 240_000);

test('a failover that elected nobody leaves a primary which a restart lets take writes again, where there is no other', async () => {
  const cluster = await createWrittenCluster(home, client, {
    ...{ name: 'lifted', instanceCount: 2, failover: manual },
  });
  const first = await cluster.lose('lifted-1');
  await isGranted(cluster);
  for (const { pid } of processesOf(uuidOf((await cluster.instance('lifted-2')).id))) process.kill(pid, 'SIGSTOP');
  const { operation } = await requestPromotion(client, { clusterId: cluster.id, mode: 'FAILOVER' });
  expect(await operationEnd(client, operation.id)).toMatchObject({ error: { code: 'NOBODY_ELECTED' } });
  const second = await cluster.lose('lifted-2');
  // A restart that took it for one that serves would wait for it.
  await expect.poll(async () => (await cluster.instance('lifted-2')).status, patience).toBe('UNREACHABLE');
  await first.restore();

  const { id } = await cluster.instance('lifted-1');
  const reason = async () => (await cluster.instance('lifted-1')).statusReason;
  await expect
    .poll(reason, patience)
    .toMatch(/^It was fenced off in a failover that promoted nobody: .*restartCluster/);
  expect((await cluster.read()).status).toBe('DOWN');
  const input = { clusterId: cluster.id, instanceIds: [id], force: true };
  expect(await succeeded(client, requestRestart(client, input))).toMatchObject({ verified: true });
  await cluster.isWritten();
  await second.restore();
  await isWhole(cluster, { replicas: ['lifted-2'] });
  expect((await cluster.checked()).lost).toEqual([]);
}, 240_000);

test('a failover goes back to a former primary that is named; what was written after it is lost, and no more', async () => {
  const cluster = await createWrittenCluster(home, client, {
    ...{ name: 'back', instanceCount: 2, failover: manual },
  });
  const first = await cluster.lose('back-1');
  await isGranted(cluster);
  const onFirst = cluster.writer.count();
  await promoted(client, requestPromotion(client, { clusterId: cluster.id, mode: 'FAILOVER' }));
  await cluster.isWritten();
  const reported = cluster.writer.count();
  await isReported(cluster, 'back-2');
  const second = await cluster.lose('back-2');
  await first.restore();

  const ask = (input: object) => requestPromotion(client, { clusterId: cluster.id, mode: 'FAILOVER', ...input });
  const { id: instanceId } = await cluster.instance('back-1');
  await isGranted(cluster, { instanceId, acceptDataLoss: true });
  expect(await ask({})).toMatchObject({
    ...{ reason: 'NO_CANDIDATE', message: expect.stringContaining('back-1 was the primary before') },
  });
  expect(await ask({ instanceId })).toMatchObject({ reason: 'NOT_A_REPLICA' });
  const onSecond = cluster.writer.count();
  const result = await promoted(client, ask({ instanceId, acceptDataLoss: true }));
  expect(result).toMatchObject({
    ...{ oldPrimary: { name: 'back-2' }, newPrimary: { name: 'back-1' }, lossBasis: 'LAST_REPORT' },
    oldPrimaryRejoined: null,
  });
  expect(Number(result.lossBytes)).toBeGreaterThanOrEqual((reported - onFirst) * leastBytesOfWrite);
  await cluster.isWritten();
  await second.restore();
  await isWhole(cluster, { replicas: ['back-2'] });
  await cluster.isWritten();
  const { acknowledged, lost } = await cluster.checked();
  expect(lost).toEqual(acknowledged.slice(onFirst, onSecond));
}, 240_000);

/** Waits for the automatic failover, which must end well; answers with the name of the new primary. */
async function failedOver(
  { id, read }: WrittenCluster,
  { after, old }: { after: string; old: string },
): Promise<string> {
  const isPromotion = ({ clusterId, type, payload }: Shape) =>
    clusterId === id && type === 'OPERATION_STATUS_CHANGED' && payload.kind === 'PROMOTE_INSTANCE';
  await eventsUntil(client, after, (event) => isPromotion(event) && ['SUCCEEDED', 'FAILED'].includes(event.toStatus));
  const { result, ...operation } = await lastOperation(client, id, 'PROMOTE_INSTANCE');
  expect(operation).toMatchObject({
    status: 'SUCCEEDED',
    error: null,
    requestedBy: { name: 'automatic failover' },
  });
  expect(result).toMatchObject({ mode: 'FAILOVER', oldPrimary: { name: old }, oldPrimaryRejoined: null });
  expect((await read()).primary.name).toBe(result.newPrimary.name);
  return result.newPrimary.name;
}

/** Waits until a failover would be accepted. */
async function isGranted({ id }: WrittenCluster, input: object = {}): Promise<void> {
  const blockers = () => promotionBlockers(client, { clusterId: id, mode: 'FAILOVER', ...input });
  await expect.poll(blockers, patience).toEqual([]);
}

/** Waits until what an instance has now is known. */
async function isReported({ instance }: WrittenCluster, name: string): Promise<void> {
  const now = Date.now();
  await expect.poll(async () => Date.parse((await instance(name)).observedAt), patience).toBeGreaterThan(now);
}

async function isWhole({ read }: WrittenCluster, { replicas }: { replicas: string[] }): Promise<void> {
  await expect.poll(async () => (await read()).status, { ...patience, timeout: 120_000 }).toBe('ACTIVE');
  const { instances } = await read();
  const found = instances.nodes.filter(({ name, role }: Shape) => replicas.includes(name) && role === 'REPLICA');
  expect(found.map(({ name }: Shape) => name).toSorted()).toEqual(replicas.toSorted());
}
