import { DatabaseError } from 'pg';
import { withoutPaths } from '#lib/faults/withoutPaths.ts';
import { CommandFailure } from '../../instanceSide.ts';

/** How node-postgres tells of a session that was lost or did not answer: by its words alone. */
const lostSession = /^(Connection terminated|Client (was closed|has encountered)|timeout expired|Query read timeout)/;

/** What a statement's failure means to the step that sent the command. Null: it is not of the server's making. */
export function serverFailure(error: unknown, name: string): CommandFailure | null {
  if (error instanceof DatabaseError) {
    const message = `PostgreSQL on ${name} refuses: ${withoutPaths(error.message)} (SQLSTATE ${error.code}).`;
    return new CommandFailure('STATEMENT_REFUSED', message, { retryable: true, cause: error });
  }
  if (!(error instanceof Error) || !lostSession.test(error.message)) return null;
  const message = `The session with the server of ${name} was lost: ${error.message}.`;
  return new CommandFailure('SESSION_LOST', message, { retryable: true, cause: error });
}
