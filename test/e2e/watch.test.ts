import { beforeAll, describe, expect, test } from 'vitest';
import {
  acceptedCluster,
  cursorNow,
  deletedCluster,
  eventsUntil,
  isBeginningOf,
  loggedEvents,
  operationEnd,
} from '../support/clusterCalls.ts';
import { createGroveHome, destroyAfterAll, type GroveHome } from '../support/groveProcess.ts';
import { asShown, openMonitor, screenOf, shownEvents } from '../support/monitorScreen.ts';
import { tmuxHint, tmuxIsInstalled } from '../support/terminal.ts';

let home: GroveHome;
beforeAll(async () => {
  home = await createGroveHome();
});
destroyAfterAll(() => home);

const until = { timeout: 30_000, interval: 100 };
describe.skipIf(!tmuxIsInstalled)(`grove watch${tmuxHint}`, () => {
  test('shows a creation, through the death of its Grove, with no event missing', async () => {
    let grove = await home.start();
    const terminal = await openMonitor(home, grove.url);
    await expect.poll(() => screenOf(terminal), until).toContain('live');
    expect(await screenOf(terminal)).toContain('none yet: grove clusters create NAME');

    const before = await cursorNow(grove.client);
    const begun = eventsUntil(grove.client, before, isBeginningOf('bootstrap orders-1'));
    const { clusterId, operationId } = await acceptedCluster(grove.client, { name: 'orders', instanceCount: 2 });
    await begun;
    await expect
      .poll(() => screenOf(terminal), until)
      .toMatch(/orders +BUILDING[\s\S]*CREATE_CLUSTER orders +█+░+ RUNNING/);

    await grove.kill();
    await expect.poll(() => screenOf(terminal), until).toMatch(/reconnecting… {2}heard \d+ s ago/);
    grove = await home.start();
    expect(await operationEnd(grove.client, operationId)).toMatchObject({ status: 'SUCCEEDED' });
    await expect
      .poll(() => screenOf(terminal), until)
      .toMatch(/live[\s\S]*orders +ACTIVE +HEALTHY +2\/2 +orders-1[\s\S]*CREATE_CLUSTER orders +█{10} SUCCEEDED/);

    const logged = (await loggedEvents(grove.client, before)).map(asShown);
    await expect.poll(async () => (await shownEvents(terminal)).slice(-logged.length), until).toEqual(logged);
    expect(await screenOf(terminal)).not.toContain('missing');

    await expect.poll(() => screenOf(terminal), until).toMatch(/orders-2 +REPLICA +ACTIVE +\S+ +streaming {2}lag 0 B/);
    await terminal.press('Enter');
    await expect
      .poll(() => screenOf(terminal), until)
      .toMatch(/writes {2}postgresql:[\s\S]*SUCCEEDED +verify the cluster/);
    await terminal.press('Escape');
    expect(await deletedCluster(grove.client, clusterId)).toMatchObject({ status: 'SUCCEEDED' });
    await expect.poll(() => screenOf(terminal), until).toContain('none yet');
    await terminal.press('q');
    await expect.poll(() => terminal.isOpen(), until).toBe(false);
    expect(await grove.interrupt()).toMatchObject({ inOrder: true });
  }, 150_000);

  test('fits 80 × 24, is led by keys, and has colours unless NO_COLOR says not to', async () => {
    const grove = await home.start();
    const makeKey = 'mutation ($name: String!) { createApiKey(input: { name: $name, role: VIEWER }) { __typename } }';
    for (let n = 0; n < 30; n++) await grove.client.data(makeKey, { name: `key ${n}` });
    const terminal = await openMonitor(home, grove.url, { columns: 80, rows: 24, NO_COLOR: '1' });
    await expect.poll(() => screenOf(terminal), until).toContain('key 29');
    const lines = await terminal.lines();
    expect(lines[0]).toMatch(/^grove default at http:\S+ {2}live {2}heard \d+ s ago$/);
    expect(lines.slice(0, 24).at(-1)).toBe('↑↓ choose  enter open  ? help  q quit');
    await terminal.press('?');
    await expect.poll(() => screenOf(terminal), until).toContain('q or ctrl-c    quit');
    await terminal.resize(100, 30);
    await terminal.press('?');
    await expect.poll(async () => (await terminal.lines())[29], until).toBe('↑↓ choose  enter open  ? help  q quit');
    const isColored = (text: string) => ['32', '33', '36', '90'].some((color) => text.includes(`\u001b[${color}m`));
    expect(isColored(await terminal.colored())).toBe(false);
    await terminal.press('C-c');
    await expect.poll(() => terminal.isOpen(), until).toBe(false);

    const colored = await openMonitor(home, grove.url, { columns: 80, rows: 24 });
    await expect.poll(() => screenOf(colored), until).toContain('live');
    expect(isColored(await colored.colored())).toBe(true);
    expect(await grove.interrupt()).toMatchObject({ inOrder: true });
  }, 60_000);
});
