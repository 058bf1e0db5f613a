import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';

/** What to send, as JSON in the first argument. */
export type Load = { url: string; headers: Record<string, string>; body: string; connections: number; forMs: number };
/** What came of it, as JSON on standard output. */
export type LoadResult = { perSecond: number; medianMs: number; p99Ms: number };

/** A program of its own: a closed loop of requests on connections that are kept open. */
const load = JSON.parse(process.argv[2] ?? '') as Load;
const agent = new Agent({ keepAlive: true, maxSockets: load.connections });
const latencies: number[] = [];

function answer(): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const headers = { ...load.headers, 'content-length': Buffer.byteLength(load.body) };
  request(load.url, { method: 'POST', agent, headers }, (response) => {
    if (response.statusCode === 200) text(response).then(resolve, reject);
    else reject(new Error(`${load.url} answered with ${response.statusCode}.`));
  })
    .on('error', reject)
    .end(load.body);
  return promise;
}

async function askAgainAndAgain(until: number): Promise<void> {
  for (let begun = performance.now(); begun < until; begun = performance.now()) {
    const { length } = await answer();
    if (length < 1000) throw new Error(`${load.url} answered with ${length} characters, which is no page.`);
    latencies.push(performance.now() - begun);
  }
}

const begun = performance.now();
await Promise.all(Array.from({ length: load.connections }, () => askAgainAndAgain(begun + load.forMs)));
const ms = performance.now() - begun;
agent.destroy();
latencies.sort((a, b) => a - b);
const quantile = (share: number): number => latencies[Math.floor((latencies.length - 1) * share)] ?? 0;
const result: LoadResult = {
  perSecond: (latencies.length / ms) * 1000,
  medianMs: quantile(0.5),
  p99Ms: quantile(0.99),
};
process.stdout.write(JSON.stringify(result));
