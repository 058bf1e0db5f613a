import { beforeAll, describe, expect, test } from 'vitest';
import { createdCluster, cursorNow, eventLines, eventsUntil, readCluster, uuidOf } from '../support/clusterCalls.ts';
import { createGroveHome, destroyAfterAll, type GroveHome, type GroveProcess } from '../support/groveProcess.ts';
import { killAll, processesOf, type RunningProcess } from '../support/processTree.ts';

const reportSeconds = 2;
const leaseSeconds = 5;

let home: GroveHome;
let grove: GroveProcess;
let clusterId: string;
let replicaUuid: string;

beforeAll(async () => {
  home = await createGroveHome();
  grove = await home.start({ environment: { GROVE_AGENT_LEASE_SECONDS: String(leaseSeconds) } });
  clusterId = await createdCluster(grove.client, { name: 'orders', instanceCount: 2 });
  replicaUuid = uuidOf((await readCluster(grove.client, clusterId)).instances.nodes[1].id);
}, 90_000);
destroyAfterAll(() => home);

const ofReplica = (what: string, isIt: (command: string[]) => boolean): RunningProcess => {
  const found = processesOf(replicaUuid).find(({ command }) => isIt(command));
  if (!found) throw new Error(`The replica has no ${what}`);
  return found;
};
const agentOfReplica = () => ofReplica('agent', (command) => command.includes('agent'));
const serverOfReplica = () => ofReplica('server', ([program]) => program?.endsWith('/postgres') === true);

describe('a real agent', () => {
  test('that is frozen makes its instance UNREACHABLE after its lease, and ACTIVE again when it goes on', async () => {
    const before = await cursorNow(grove.client);
    const { pid } = agentOfReplica();
    const frozenAt = Date.now();
    process.kill(pid, 'SIGSTOP');
    try {
      const untilLost = await eventsUntil(grove.client, before, ({ toStatus }) => toStatus === 'UNREACHABLE');
      const lostAfterMs = new Date(untilLost.at(-1).at).getTime() - frozenAt;
      expect(lostAfterMs).toBeGreaterThan((leaseSeconds - reportSeconds - 0.5) * 1000);
      expect(lostAfterMs).toBeLessThan((leaseSeconds + 5) * 1000);
      expect(await readCluster(grove.client, clusterId)).toMatchObject({
        status: 'DEGRADED',
        statusReason: expect.stringContaining('orders-2'),
      });
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    const lines = await eventLines(grove.client, before, (seen) => seen.includes('orders DEGRADED→ACTIVE'));
    expect(lines).toEqual([
      'orders-2 ACTIVE→UNREACHABLE',
      'orders HEALTHY→DEGRADED',
      'orders ACTIVE→DEGRADED',
      'orders-2 UNREACHABLE→ACTIVE',
      'orders DEGRADED→HEALTHY',
      'orders DEGRADED→ACTIVE',
    ]);
    expect(agentOfReplica().pid).toBe(pid);
  }, 60_000);

  test('that is killed with -9 is brought back, and its server is not restarted for that', async () => {
    const [agent, server] = [agentOfReplica(), serverOfReplica()];
    await killAll([agent]);
    const killedAt = Date.now();
    const seenSince = async () => {
      const [, { status, agent, observedAt }] = (await readCluster(grove.client, clusterId)).instances.nodes;
      return agent.connected && new Date(observedAt).getTime() > killedAt ? status : 'not seen';
    };
    await expect.poll(seenSince, { timeout: 30_000, interval: 100 }).toBe('ACTIVE');
    expect(agentOfReplica().pid).not.toBe(agent.pid);
    expect(serverOfReplica().pid).toBe(server.pid);
  }, 60_000);
});
