import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, test, vi } from 'vitest';
import { CommandRecord } from '#agent/commandRecord.ts';
import { CommandRunner } from '#agent/commandRunner.ts';
import type { AgentCommand, CommandOutcome } from '#agent/protocol.ts';
import { CommandFailure, type InstanceSide } from '#engines/instanceSide.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const command = (id: string, kind: string): AgentCommand => ({ id, kind, payload: {}, secrets: {} });

async function createRunner(commands: InstanceSide['commands']) {
  const directory = await temporaryDirectory();
  const finished: [string, CommandOutcome][] = [];
  const lines: string[] = [];
  const runner = new CommandRunner({
    side: { commands },
    record: await CommandRecord.open(join(directory, 'commands.json')),
    logger: pino({ level: 'error' }, { write: (line: string) => void lines.push(line) }),
    onProgress: () => {},
    onFinished: (commandId, outcome) => void finished.push([commandId, outcome]),
  });
  return { runner, finished, lines, directory };
}

describe('a runner of commands', () => {
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
