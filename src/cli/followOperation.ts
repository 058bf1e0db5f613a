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

/** Tells an operation's steps as they change, until it has ended. Survives the server. The exit code tells whether it succeeded. */
export async function followOperation({ session, say, tell, host }: Invocation, id: string): Promise<ExitCode> {
  const { url, key, keySource } = await session();
  const client = createGroveClient({ url, key });
  const told = new Map<number, string>();
  let last: Operation | null = null;
  try {
    const onStatus = ({ state, reason }: { state: string; reason?: string }) => {
      if (state === 'waiting') host.stderr.write(`grove: reconnecting: ${printable(reason ?? '')}\n`);
    };
    const answers = iterateWithResume<{ operation: Operation }>(
      client,
      { query: document, variables: { id } },
      { onStatus },
    );
    for await (const { data } of answers) {
      if (!data) continue;
      last = data.operation;
      tell(last);
      for (const line of changedSteps(last, told)) say(line);
    }
  } catch (error) {
    throw refusalOf(error, keyRefused({ url, keySource }));
  } finally {
    await client.dispose();
  }
  if (last === null)
    throw new CliError('unavailable', 'NO_ANSWER', 'The stream ended before anything was told. Try again.');
  say(endLine(last));
  return last.status === 'SUCCEEDED' ? exitCodes.done : exitCodes.refused;
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
