import { randomUUID } from 'node:crypto';
import type { Invocation, Option } from './command.ts';
import { type ExitCode, exitCodes } from './exitCodes.ts';
import { followOperation } from './followOperation.ts';

/** Every command that asks for an operation has these. */
export const requestOptions = {
  'idempotency-key': { type: 'string', value: 'TEXT', meaning: 'the same text again asks for nothing new' },
  wait: { type: 'boolean', meaning: 'tell the steps until it has ended; exit with 1 if it failed' },
} as const satisfies Record<string, Option>;

type Accepted = { cluster: { id: string; name: string; status: string }; operation: { id: string; status: string } };

type Asked<Also> = {
  /** The field of the API, whose input and payload are named after it. */
  mutation: string;
  input: Record<string, unknown>;
  /** What the payload is asked for besides. */
  also?: string;
  /** What is said of it once it is accepted. */
  headline?(accepted: Accepted & Also): string;
};

/** Asks for an operation, tells what was accepted and, with `--wait`, its steps. */
export async function requestOperation<Also = object>(
  invocation: Invocation<typeof requestOptions>,
  { mutation, input, also = '', headline = clusterIs }: Asked<Also>,
): Promise<ExitCode> {
  const { values, api, say, tell } = invocation;
  const calls = await api();
  const accepted = await calls.mutate<Accepted & Also>(documentOf(mutation, also), {
    input: { idempotencyKey: values['idempotency-key'] ?? randomUUID(), ...input },
  });
  tell(accepted);
  say(headline(accepted));
  const { operation } = accepted;
  if (values.wait) return await followOperation(invocation, operation.id);
  say(`Follow it with: grove operations watch ${operation.id}`);
  return exitCodes.done;
}

const clusterIs = ({ cluster }: Accepted): string => `${cluster.name} is ${cluster.status}.`;

function documentOf(mutation: string, also: string): string {
  const type = `${mutation.slice(0, 1).toUpperCase()}${mutation.slice(1)}`;
  return `mutation ($input: ${type}Input!) {
    ${mutation}(input: $input) {
      ... on ${type}Payload { cluster { id name status } operation { id status } ${also} }
      ... on Error { code message }
      ... on InvalidInputError { fields { path message } }
    }
  }`;
}
