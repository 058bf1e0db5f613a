import { Prisma } from '#generated/prisma/client.ts';

/** Prisma's codes for "could not be reached", "closed the connection", "no connection in time", "too many connections". */
const prismaCodes = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2037']);
/** PostgreSQL's: shutting down, crashed, starting up, out of connections, connection failures. */
const serverCode = /^(57P0[123]|53300|08\w{3})$/;
const networkCodes = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND']);
const lost =
  /Connection terminated|terminating connection|server closed the connection|timeout exceeded when trying to connect/;

/** True if the store could not be asked: nothing is known about what was tried, and trying again later is right. */
export function isStoreUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof Prisma.PrismaClientInitializationError) return true;
  const code = 'code' in error ? String(error.code) : '';
  if (prismaCodes.has(code) || serverCode.test(code) || networkCodes.has(code)) return true;
  if (lost.test(error.message)) return true;
  return error.cause !== undefined && isStoreUnavailable(error.cause);
}
