import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, test, vi } from 'vitest';
import { CommandRecord } from '#agent/commandRecord.ts';
import { CommandRunner } from '#agent/commandRunner.ts';
import type { AgentCommand, CommandOutcome } from '#agent/protocol.ts';
import { type CommandCall, CommandFailure, type InstanceSide } from '#engines/instanceSide.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const command = (id: string, kind: string): AgentCommand => ({ id, kind, payload: {}, secrets: {} });

async function createRunner(commands: InstanceSide['commands'], beside: readonly string[] = []) {
  const directory = await temporaryDirectory();
  const finished: [string, CommandOutcome][] = [];
  const lines: string[] = [];
  const resume = vi.fn(async () => {});
  const runner = new CommandRunner({
    side: { commands, beside: new Set(beside), resume },
    record: await CommandRecord.open(join(directory, 'commands.json')),
    logger: pino({ level: 'error' }, { write: (line: string) => void lines.push(line) }),
    onProgress: () => {},
    onFinished: (commandId, outcome) => void finished.push([commandId, outcome]),
  });
  return { runner, finished, lines, directory, resume };
}

/** Commands that go on until they are told to end, or are aborted; and what they did. */
function heldCommands() {
  const log: string[] = [];
  const gates = new Map<string, () => void>();
  const hold = (kind: string) => async (call: CommandCall) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    gates.set(kind, resolve);
    call.signal.addEventListener('abort', () => reject(call.signal.reason));
    log.push(`${kind} begins`);
    await promise.finally(() => log.push(`${kind} ends`));
    return kind;
  };
  return { log, hold, end: (kind: string) => gates.get(kind)?.() };
}

const withdrawn = { ok: false, error: { code: 'WITHDRAWN', message: expect.any(String), retryable: true } };

describe('a runner of commands', () => {
  test('has on disk how each ended, also of those that end at once', async () => {
    const quick = async () => 'done';
    const { runner, finished, directory } = await createRunner({ position: quick }, ['position']);
    const ids = Array.from({ length: 20 }, (_, index) => `command ${index}`);
    for (const id of ids) runner.accept(command(id, 'position'));
    await vi.waitFor(() => expect(finished).toHaveLength(ids.length));
    const record = await CommandRecord.open(join(directory, 'commands.json'));
    expect(ids.filter((id) => record.outcome(id) === null)).toEqual([]);
    await runner.stop();
  });

  test('runs each alone in the order of its arrival, but for those that may run beside each other', async () => {
    const { log, hold, end } = heldCommands();
    const kinds = ['backUp', 'position', 'promote', 'readProbe', 'stop'];
    const commands = Object.fromEntries(kinds.map((kind) => [kind, hold(kind)]));
    const { runner } = await createRunner(commands, ['backUp', 'position', 'readProbe']);
    for (const kind of kinds) runner.accept(command(kind, kind));
    await vi.waitFor(() => expect(log).toEqual(['backUp begins', 'position begins']));
    end('position');
    await vi.waitFor(() => expect(log).toHaveLength(3));
    end('backUp');
    await vi.waitFor(() => expect(log.slice(2)).toEqual(['position ends', 'backUp ends', 'promote begins']));
    end('promote');
    await vi.waitFor(() => expect(log.slice(5)).toEqual(['promote ends', 'readProbe begins']));
    end('readProbe');
    await vi.waitFor(() => expect(log.slice(7)).toEqual(['readProbe ends', 'stop begins']));
    end('stop');
    await vi.waitFor(() => expect(log).toHaveLength(10));
    await runner.stop();
  });

  test('aborts what is withdrawn, begins nothing that is withdrawn, and tells the end of both', async () => {
    const { log, hold, end } = heldCommands();
    const commands = { clone: hold('clone'), start: hold('start'), position: hold('position') };
    const { runner, finished, resume, lines } = await createRunner(commands);
    for (const kind of Object.keys(commands)) runner.accept(command(kind, kind));
    await vi.waitFor(() => expect(log).toEqual(['clone begins']));
    runner.withdraw('start');
    runner.withdraw('clone');
    await vi.waitFor(() => expect(log).toEqual(['clone begins', 'clone ends', 'position begins']));
    expect(resume).toHaveBeenCalledOnce();
    end('position');
    const ends = [
      ['clone', withdrawn],
      ['start', withdrawn],
      ['position', { ok: true, result: 'position' }],
    ];
    await vi.waitFor(() => expect(finished).toEqual(ends));
    for (const id of ['position', 'start', 'from before']) runner.withdraw(id);
    expect(finished.slice(3)).toEqual([
      ['position', { ok: true, result: 'position' }],
      ['start', withdrawn],
      ['from before', withdrawn],
    ]);
    expect(lines).toEqual([]);
    await runner.stop();
  });

  test('goes on when an outcome cannot be written down, and tells it all the same', async () => {
    const { runner, finished, lines, directory } = await createRunner({ note: async () => 'done' });
    await rm(directory, { recursive: true });
    runner.accept(command('one', 'note'));
    runner.accept(command('two', 'note'));
    await vi.waitFor(() => expect(finished.map(([id]) => id)).toEqual(['one', 'two']));
    expect(finished[0]?.[1]).toEqual({ ok: true, result: 'done' });
    expect(lines.join()).toContain('could not be recorded');
    await runner.stop();
  });

  test('tells an expected failure, names what the system refused, and keeps a bug to its log', async () => {
    const failures: Record<string, Error> = {
      expected: new CommandFailure('NOT_EMPTY', 'There is data.'),
      system: Object.assign(new Error("ENOSPC: no space left on device, open '/srv/grove/state.json'"), {
        ...{ code: 'ENOSPC', errno: -28, syscall: 'open', path: '/srv/grove/state.json' },
      }),
      bug: new TypeError('/srv/grove is not a function'),
    };
    const throwing = Object.entries(failures).map(([kind, error]) => [kind, () => Promise.reject(error)]);
    const { runner, finished, lines } = await createRunner(Object.fromEntries(throwing));
    for (const kind of Object.keys(failures)) runner.accept(command(kind, kind));
    await vi.waitFor(() => expect(finished).toHaveLength(3));
    expect(finished.map(([, outcome]) => outcome)).toEqual([
      { ok: false, error: { code: 'NOT_EMPTY', message: 'There is data.', retryable: false } },
      {
        ok: false,
        error: {
          code: 'SYSTEM',
          message: 'The host refused: open state.json: no space left on device (ENOSPC).',
          retryable: true,
        },
      },
      {
        ok: false,
        error: { code: 'INTERNAL', message: expect.stringMatching(/^Internal error [0-9a-f-]{36} /), retryable: true },
      },
    ]);
    const [, errorId] = /error ([0-9a-f-]{36})/.exec(JSON.stringify(finished[2])) ?? [];
    expect(lines.find((line) => line.includes(`"errorId":"${errorId}"`))).toContain('is not a function');
  });
});
