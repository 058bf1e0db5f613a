import { beforeAll, describe, expect, test } from 'vitest';
import { createServerWorld } from '../server/serverWorld.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { openTerminal, tmuxHint, tmuxIsInstalled } from '../support/terminal.ts';
import { groveMain, person } from './person.ts';

let operations: TestOperations;
beforeAll(async () => {
  operations = await createTestOperations();
  return () => operations.close();
});

const until = { timeout: 15_000, interval: 50 };

describe.skipIf(!tmuxIsInstalled)(`on a terminal${tmuxHint}`, () => {
  test('a key is asked for and not shown; what would delete data asks for the name', async () => {
    const { url, key } = await createServerWorld(operations);
    const { env, grove } = person({ GROVE_URL: url });
    const shell = await openTerminal({ command: ['sh'], environment: { ...env, PS1: '$ ' }, columns: 160, rows: 40 });
    const screen = async () => (await shell.lines()).join('\n');
    const type = (words: string) => shell.press(`${process.execPath} ${groveMain} ${words}; echo "code $?"`, 'Enter');

    await type('login');
    await expect.poll(screen, until).toContain(`API key for ${url}:`);
    await shell.press(key, 'Enter');
    await expect.poll(screen, until).toMatch(/Signed in to [\s\S]*\(ADMIN\)[\s\S]*code 0/);
    expect(await screen()).not.toContain(key.slice(-12));

    await grove(['clusters', 'create', 'orders', '--engine', 'fake', '--instances', '2', '--wait']);
    await type('clusters drop-instances orders orders-2');
    await expect.poll(screen, until).toContain("Type the cluster's name to go on:");
    await grove(['clusters', 'restart', 'orders', '--wait']);
    await shell.press('orders', 'Enter');
    await expect.poll(screen, until).toMatch(/version[\s\S]*code 1/);
    await type('clusters delete orders');
    await expect.poll(screen, until).toContain('Type its name to go on:');
    await shell.press('ordres', 'Enter');
    await expect.poll(screen, until).toMatch(/That was not "orders"\. Nothing was done\.\s+code 2/);
    await type('clusters delete orders');
    await expect.poll(async () => (await screen()).split('Type its name').length, until).toBe(3);
    await shell.press('orders', 'Enter');
    await expect.poll(screen, until).toMatch(/orders is DELETING\.[\s\S]*code 0/);
  }, 60_000);
});
