import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { StartupError } from '#lib/faults/startupError.ts';

export type Address = { host: string; port: number };

/** Returns the server's URL. Throws StartupError if the address cannot be listened on. */
export async function listen(http: Server, { host, port }: Address): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    const refused = (error: NodeJS.ErrnoException) => reject(cannotListen(error, { host, port }));
    http.once('error', refused);
    http.listen({ host, port }, () => {
      http.off('error', refused);
      resolve();
    });
  });
  return urlOf(host, (http.address() as AddressInfo).port);
}

function cannotListen(error: NodeJS.ErrnoException, { host, port }: Address): StartupError {
  if (error.code === 'EADDRINUSE') {
    return new StartupError(
      `Port ${port} on ${host} is in use. Stop what listens there, or choose another with GROVE_PORT.`,
    );
  }
  if (error.code === 'EACCES') {
    return new StartupError(`This user may not listen on port ${port}. Choose one above 1023 with GROVE_PORT.`);
  }
  return new StartupError(
    `Cannot listen on ${host}, port ${port} (${error.message}). Correct GROVE_HOST or GROVE_PORT.`,
  );
}

/** An address that one can connect to: a wildcard is only good to listen on. */
function urlOf(host: string, port: number): string {
  const reachable = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
