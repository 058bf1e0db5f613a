import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ServerSupervisor } from '#engines/serverSupervisor.ts';
import { processIsRunning } from '#lib/host/processes.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

async function createSupervisor() {
  const directory = await temporaryDirectory();
  const server = { ready: false, fault: null as Error | null };
  const supervisor = new ServerSupervisor({
    async prepare() {
      if (server.fault !== null) throw server.fault;
      return { program: 'sleep', args: ['600'], cwd: directory, env: { PATH: process.env.PATH ?? '' } };
    },
    findRunning: async () => null,
    isReady: async () => server.ready,
    stopSignals: [{ signal: 'SIGKILL', waitMs: 5000 }],
    logFile: join(directory, 'server.log'),
    serverUser: null,
    logger: pino({ level: 'silent' }),
  });
  onTestFinished(() => supervisor.stop());
  return { supervisor, server };
}

describe('a supervisor', () => {
  test('lets go of a caller that is told to stop, and the server goes on coming up', async () => {
    const { supervisor, server } = await createSupervisor();
    const stopping = new AbortController();
    const waiting = supervisor.ensureRunning({ signal: stopping.signal });
    await expect.poll(() => supervisor.pid).not.toBeNull();
    const { pid } = supervisor;
    stopping.abort(new Error('The agent stops.'));
    await expect(waiting).rejects.toThrow('The agent stops.');
    expect(pid !== null && processIsRunning(pid)).toBe(true);
    server.ready = true;
    await supervisor.ensureRunning();
    expect(supervisor).toMatchObject({ pid, reason: null });
  });

  test('says why a server cannot be started without the place of its files', async () => {
    const { supervisor, server } = await createSupervisor();
    server.fault = Object.assign(new Error("EACCES: permission denied, open '/srv/grove/postgresql.conf'"), {
      ...{ code: 'EACCES', errno: -13, syscall: 'open', path: '/srv/grove/postgresql.conf' },
    });
    await expect(supervisor.ensureRunning()).rejects.toThrow('EACCES');
    expect(supervisor.reason).toBe(
      'The server cannot be started: the host refused: open postgresql.conf: permission denied (EACCES).',
    );
  });
});
