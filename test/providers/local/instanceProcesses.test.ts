import { expect, test } from 'vitest';
import { instanceVariable } from '#agent/protocol.ts';
import { instanceProcesses, topmost } from '#providers/local/instanceProcesses.ts';
import { type ProcessEntry, parsePs } from '#providers/local/processTable.ts';

const owner = { instanceId: 'mine', directory: '/data/mine', uids: [0, 101] };

const entry = (pid: number, fields: Partial<ProcessEntry> = {}): ProcessEntry => ({
  pid,
  parentPid: 1,
  uid: 101,
  hasTerminal: false,
  instanceId: null,
  cwd: '/',
  ...fields,
});

const pidsOf = (processes: ProcessEntry[], ownPid = 1000) =>
  instanceProcesses(processes, owner, ownPid).map(({ pid }) => pid);

test('those whose environment names the instance belong to it, and all that they started', () => {
  const processes = [
    entry(10, { instanceId: 'mine' }),
    entry(11, { parentPid: 10 }),
    entry(12, { parentPid: 11 }),
    entry(20, { instanceId: 'another' }),
    entry(21, { parentPid: 20 }),
  ];
  expect(pidsOf(processes)).toEqual([10, 11, 12]);
  expect(topmost(instanceProcesses(processes, owner, 1000)).map(({ pid }) => pid)).toEqual([10]);
});

test("an orphan that works in the directory belongs to it; a person's shell and other users' processes do not", () => {
  const processes = [
    entry(10, { cwd: '/data/mine/data' }),
    entry(11, { cwd: '/data/mine (deleted)' }),
    entry(12, { cwd: '/data/mine', hasTerminal: true }),
    entry(13, { cwd: '/data/mine', uid: 1000 }),
    entry(14, { cwd: '/data/mine-too' }),
    entry(15, { cwd: null }),
  ];
  expect(pidsOf(processes)).toEqual([10, 11]);
});

test('this process and those above it are never taken, whatever they say', () => {
  const processes = [
    entry(10, { instanceId: 'mine' }),
    entry(11, { parentPid: 10, cwd: '/data/mine' }),
    entry(12, { parentPid: 11 }),
    entry(13, { parentPid: 12 }),
  ];
  expect(pidsOf(processes, 12)).toEqual([13]);
});

test('ps tells the same where there is no /proc', () => {
  const output = [
    `  501     1   501 Ss   ??       node agent.ts /data/mine PATH=/bin ${instanceVariable}=mine LANG=C`,
    '  502   501   501 S+   ttys001  postgres: checkpointer',
    `  503   501   501 Z    ??       (sleep) ${instanceVariable}=mine`,
    '',
  ].join('\n');
  expect(parsePs(output)).toEqual([
    { pid: 501, parentPid: 1, uid: 501, hasTerminal: false, instanceId: 'mine', cwd: null },
    { pid: 502, parentPid: 501, uid: 501, hasTerminal: true, instanceId: null, cwd: null },
  ]);
});
