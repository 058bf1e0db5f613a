import { createGroveClient } from '#client/createGroveClient.ts';
import { iterateWithResume } from '#client/iterateWithResume.ts';
import { keyRefused } from './api.ts';
import { CliError } from './cliError.ts';
import type { Invocation } from './command.ts';
import { type ExitCode, exitCodes } from './exitCodes.ts';
import { printable } from './printable.ts';
import { refusalOf } from './refusalOf.ts';

type Step = { position: number; name: string; status: string; message: string | null };
type Operation = {
  id: string;
  kind: string;
  status: string;
  progress: number;
  waitingFor: string | null;
  cluster: { name: string };
  error: { code: string; message: string; step: string | null } | null;
  steps: Step[];
};

const document = /* GraphQL */ `subscription ($id: ID!) {
  operation(id: $id) {
    id kind status progress waitingFor cluster { name }
    error { code message step retryable }
    steps { position name status message }
  }
}`;

export const followHint = (id: string): string => `Follow it with: grove operations watch ${printable(id)}`;

/**
 * Tells an operation's steps as they change, until it has ended. Survives the server. The exit code tells whether it succeeded, or
 * that somebody would not wait any longer.
 */
export async function followOperation(invocation: Invocation, id: string): Promise<ExitCode> {
  const { say, host } = invocation;
  const interruption = new AbortController();
  const giveUp = host.onInterrupt(() => interruption.abort());
  const last = await tellSteps(invocation, id, interruption.signal).finally(giveUp);
  if (interruption.signal.aborted) {
    host.stderr.write(`grove: The operation goes on. ${followHint(id)}\n`);
    return exitCodes.interrupted;
  }
  if (last === null)
    throw new CliError('unavailable', 'NO_ANSWER', 'The stream ended before anything was told. Try again.');
  say(endLine(last));
  return last.status === 'SUCCEEDED' ? exitCodes.done : exitCodes.refused;
}

/** Answers with the operation as it was told last. Null: nothing was. */
async function tellSteps(
  { session, say, tell, host }: Invocation,
  id: string,
  signal: AbortSignal,
): Promise<Operation | null> {
  const { urls, key, keySource } = await session();
  const client = createGroveClient({ url: urls, key });
  const told = new Map<number, string>();
  let last: Operation | null = null;
  const onStatus = ({ state, reason }: { state: string; reason?: string }) => {
    if (state === 'waiting') host.stderr.write(`grove: reconnecting: ${printable(reason ?? '')}\n`);
  };
  const request = { query: document, variables: { id } };
  try {
    for await (const { data } of iterateWithResume<{ operation: Operation }>(client, request, { onStatus, signal })) {
      if (!data) continue;
      last = data.operation;
      tell(last);
      for (const line of changedSteps(last, told)) say(line);
    }
    return last;
  } catch (error) {
    throw refusalOf(error, keyRefused({ urls, keySource }));
  } finally {
    // To dispose of it would wait for a server that may be away.
    await (signal.aborted ? client.terminate() : client.dispose());
  }
}

function changedSteps({ steps }: Operation, told: Map<number, string>): string[] {
  const changed = steps.filter(({ position, status }) => status !== (told.get(position) ?? 'PENDING'));
  for (const { position, status } of changed) told.set(position, status);
  return changed.map(
    ({ name, status, message }) =>
      `${status.padEnd(9)}  ${printable(name)}${message === null ? '' : `: ${printable(message)}`}`,
  );
}

function endLine({ kind, status, cluster, error, id }: Operation): string {
  const headline = `${kind} of ${cluster.name}: ${status}`;
  if (error === null) return headline;
  const step = error.step === null ? '' : ` in "${error.step}"`;
  return printable(`${headline}${step}: ${error.message} (${error.code}). Operation ${id}`);
}
