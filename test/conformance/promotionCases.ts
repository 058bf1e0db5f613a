import { expect, test } from 'vitest';
import type { Shape } from '../support/apiClient.ts';
import {
  cursorNow,
  eventLines,
  loggedEvents,
  readCluster,
  revealedCredentials,
  uuidOf,
} from '../support/clusterCalls.ts';
import { killAll, processesOf } from '../support/processTree.ts';
import {
  freezeReceiver,
  guard,
  lastOperation,
  loseInstance,
  promoted,
  promotionBlockers,
  requestPromotion,
} from '../support/promotionCalls.ts';
import type { Scene } from './scene.ts';
import { losingNothing, whileWriting } from './whileWriting.ts';

/** A write takes at least so many bytes of a database's log: what a loss of so many bytes can have held at most. */
const leastBytesOfWrite = 50;

/** The cases on the change of the primary, each while a client writes. They leave orders-1 as the primary. */
export function promotionCases(scene: Scene): void {
  const { engine, home, grove, clusterId } = scene;
  const read = () => readCluster(grove().client, clusterId());
  const roles = async () => (await read()).instances.nodes.map(({ name, role }: Shape) => `${name} ${role}`);
  const instance = async (name: string): Promise<Shape> =>
    (await read()).instances.nodes.find((found: Shape) => found.name === name);
  const promote = async (name: string | null, input: object = {}) =>
    await promoted(
      grove().client,
      requestPromotion(grove().client, {
        clusterId: clusterId(),
        instanceId: name && (await instance(name)).id,
        mode: 'PLANNED',
        ...input,
      }),
    );

  test('C08 promote, planned: the new primary takes over without the loss of a write; and back', async () => {
    for (const [from, to] of [
      ['orders-1', 'orders-2'],
      ['orders-2', 'orders-1'],
    ] as const) {
      const { lost } = await whileWriting(scene, clusterId(), async () => {
        expect(await promote(to)).toMatchObject({
          mode: 'PLANNED',
          oldPrimary: { name: from },
          newPrimary: { name: to },
          lossBytes: '0',
          lossBasis: 'NONE',
          oldPrimaryRejoined: 'ATTACHED',
          rejoinFailure: null,
          writeGapMs: expect.any(Number),
        });
      });
      expect(lost).toEqual([]);
      expect(await read()).toMatchObject({ status: 'ACTIVE', primary: { name: to } });
      expect((await roles()).filter((role: string) => role.endsWith('PRIMARY'))).toEqual([`${to} PRIMARY`]);
      const { uri } = await revealedCredentials(grove().client, clusterId());
      await engine.write(uri, `written on ${to}`);
      for (const { address } of (await read()).instances.nodes) {
        await expect.poll(() => engine.readAll(uri, address), { timeout: 10_000 }).toContain(`written on ${to}`);
      }
    }
  }, 120_000);

  test('N05 promote the primary, nobody, or because of a primary that is healthy: refused, and nothing has changed', async () => {
    await losingNothing(scene, clusterId(), async () => {
      const { client } = grove();
      const before = await read();
      const ask = (input: object) => requestPromotion(client, { clusterId: clusterId(), mode: 'PLANNED', ...input });
      const [primary, replica] = [await instance('orders-1'), await instance('orders-2')];
      expect(await ask({ instanceId: primary.id })).toMatchObject({
        code: 'INSTANCE_NOT_PROMOTABLE',
        reason: 'IS_PRIMARY',
      });
      expect(await ask({ instanceId: replica.id, mode: 'FAILOVER' })).toMatchObject({ code: 'PRIMARY_HEALTHY' });
      expect(await ask({ instanceId: replica.id, expectedVersion: before.version - 1 })).toMatchObject({
        code: 'STALE_VERSION',
      });
      const { restore } = await loseInstance(home(), clusterId(), replica.id);
      await expect
        .poll(() => ask({ instanceId: replica.id }), { timeout: 5000 })
        .toMatchObject({ code: 'INSTANCE_NOT_PROMOTABLE', reason: 'NOT_HEALTHY' });
      await restore();
      await expect.poll(async () => (await read()).status, { timeout: 30_000 }).toBe('ACTIVE');
      const blockers = () =>
        promotionBlockers(client, { clusterId: clusterId(), instanceId: replica.id, mode: 'PLANNED' });
      await expect.poll(blockers, { timeout: 30_000 }).toEqual([]);
      expect((await read()).version).toBe(before.version);
    });
  }, 90_000);

  test('C09 the primary’s server is killed: DOWN is seen, and it comes back by itself', async () => {
    await losingNothing(scene, clusterId(), async () => {
      const { client } = grove();
      const primary = await instance('orders-1');
      const lines = eventLines(client, await cursorNow(client), (seen) => seen.includes('orders-1 DOWN→ACTIVE'));
      await killAll(processesOf(uuidOf(primary.id)).filter(({ command }) => command[0]?.endsWith('postgres')));
      expect(await lines).toContain('orders-1 ACTIVE→DOWN');
      expect((await read()).primary.name).toBe('orders-1');
      await expect.poll(async () => (await read()).status, { timeout: 20_000 }).toBe('ACTIVE');
    });
  }, 60_000);

  test('C09 the primary is lost with its agent: the replica that is named is promoted, and the old primary comes back as one', async () => {
    await guard(grove().client, { clusterId: clusterId(), failover: { mode: 'MANUAL' } });
    const { lost } = await whileWriting(scene, clusterId(), async () => {
      const { restore } = await loseInstance(home(), clusterId(), (await instance('orders-1')).id);
      const blockers = () => promotionBlockers(grove().client, { clusterId: clusterId(), mode: 'FAILOVER' });
      await expect.poll(blockers, { timeout: 10_000 }).toEqual([]);
      await restore();
      const result = await promote('orders-3', { mode: 'FAILOVER' });
      expect(result).toMatchObject({
        mode: 'FAILOVER',
        oldPrimary: { name: 'orders-1' },
        newPrimary: { name: 'orders-3' },
        lossBasis: 'OLD_PRIMARY',
        writeGapMs: expect.any(Number),
        rejoinFailure: null,
      });
      lossBytes = Number(result.lossBytes);
    });
    expect(lost.length * leastBytesOfWrite).toBeLessThanOrEqual(lossBytes);
    expect(await read()).toMatchObject({ status: 'ACTIVE' });
    expect(await roles()).toContain('orders-1 REPLICA');
    await promote('orders-1');
  }, 120_000);

  test('C09 the primary of a synchronous cluster is lost, and one replica lacks the last writes: the other one is promoted', async () => {
    const { client } = grove();
    await guard(client, { clusterId: clusterId(), synchronous: true, failover: { mode: 'MANUAL' } });
    const { uri } = await revealedCredentials(client, clusterId());
    const { lost } = await whileWriting(scene, clusterId(), async () => {
      // Between equals its name would be the first.
      const receiver = await freezeReceiver((await instance('orders-2')).id);
      await engine.write(uri, 'acknowledged by orders-3 alone');
      const { restore } = await loseInstance(home(), clusterId(), (await instance('orders-1')).id);
      receiver.end();
      const blockers = () => promotionBlockers(client, { clusterId: clusterId(), mode: 'FAILOVER' });
      await expect.poll(blockers, { timeout: 10_000 }).toEqual([]);
      await restore();
      expect(await promote(null, { mode: 'FAILOVER' })).toMatchObject({
        oldPrimary: { name: 'orders-1' },
        newPrimary: { name: 'orders-3' },
        rejoinFailure: null,
      });
    });
    expect(lost).toEqual([]);
    for (const { address } of (await read()).instances.nodes) {
      await expect
        .poll(() => engine.readAll(uri, address), { timeout: 10_000 })
        .toContain('acknowledged by orders-3 alone');
    }
    await promote('orders-1');
    await guard(client, { clusterId: clusterId(), synchronous: false });
  }, 180_000);

  test('C09 the primary of a synchronous cluster is lost: Grove promotes a replica by itself, and no write is lost', async () => {
    const { client } = grove();
    const failover = { mode: 'AUTOMATIC', detectAfterSeconds: 1 };
    await guard(client, { clusterId: clusterId(), synchronous: true, failover });
    const from = await cursorNow(client);
    const { lost } = await whileWriting(scene, clusterId(), async () => {
      const old = await instance('orders-1');
      const { restore } = await loseInstance(home(), clusterId(), old.id);
      await eventLines(client, from, (seen) => seen.some((line) => /^orders-[23] REPLICA→PRIMARY$/.test(line)));
      await restore();
      await eventLines(client, from, (seen) => seen.includes('orders-1 PRIMARY→REPLICA'));
      await expect.poll(async () => (await read()).status, { timeout: 60_000 }).toBe('ACTIVE');
    });
    expect(lost).toEqual([]);
    expect(await lastOperation(client, clusterId(), 'PROMOTE_INSTANCE')).toMatchObject({
      status: 'SUCCEEDED',
      requestedBy: { name: 'automatic failover' },
      result: { mode: 'FAILOVER', oldPrimary: { name: 'orders-1' } },
    });
    const told = (await loggedEvents(client, from)).find(({ type }) => type === 'PRIMARY_LOST');
    expect(told.payload).toMatchObject({
      instance: 'orders-1',
      evidence: { primary: { presence: 'stopped' }, unheard: [] },
    });
    expect(told.payload.evidence.candidates).toHaveLength(2);
    await promote('orders-1');
    await guard(client, { clusterId: clusterId(), synchronous: false });
  }, 180_000);

  let lossBytes = 0;
}
