import { setTimeout as pause } from 'node:timers/promises';
import WebSocket from 'ws';
import type { GroveProcess } from '../support/groveProcess.ts';

/** What a process takes, in bytes: `used` by V8 and by buffers, `resident` of physical memory. */
export type Memory = { used: number; resident: number };

const expression =
  '(({ heapUsed, external, rss }) => ({ used: heapUsed + external, resident: rss }))(process.memoryUsage())';

/** Has a process collect its garbage, through the debugger that a signal opens, and tells what is left. */
export async function collectGarbage({ pid, output }: GroveProcess): Promise<Memory> {
  const address = () => /Debugger listening on (ws:\S+)/.exec(output())?.[1];
  if (address() === undefined) process.kill(pid, 'SIGUSR1');
  // It announces itself in the output, which can only be looked at.
  while (address() === undefined) await pause(20);
  const socket = new WebSocket(address() ?? '');
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  let last = 0;
  const call = (method: string, params = {}) => {
    last += 1;
    const id = last;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    socket.on('message', (text) => {
      const answer = JSON.parse(String(text));
      if (answer.id === id) resolve(answer.result);
    });
    socket.send(JSON.stringify({ id, method, params }));
    return promise;
  };
  for (let round = 0; round < 3; round += 1) await call('HeapProfiler.collectGarbage');
  const { result } = (await call('Runtime.evaluate', { expression, returnByValue: true })) as {
    result: { value: Memory };
  };
  socket.terminate();
  return result.value;
}
