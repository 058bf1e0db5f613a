import { randomUUID } from 'node:crypto';
import type { Invocation, Option } from './command.ts';
import { type ExitCode, exitCodes } from './exitCodes.ts';
import { followHint, followOperation } from './followOperation.ts';
import { planFields, tellPlan } from './tellPlan.ts';

/** Every command that asks for an operation has these. */
export const requestOptions = {
  plan: {
    type: 'boolean',
    meaning: 'do nothing: tell the steps, what blocks it and what to think of; exit with 1 if it would be refused',
  },
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

/** Asks for an operation, tells what was accepted and, with `--wait`, its steps; with `--plan` only what it would bring about. */
export async function requestOperation<Also = object>(
  invocation: Invocation<typeof requestOptions>,
  { mutation, input, also = '', headline = clusterIs }: Asked<Also>,
): Promise<ExitCode> {
  const { values, api, say, tell } = invocation;
  const document = documentOf(mutation, also);
  const request = { idempotencyKey: values['idempotency-key'] ?? randomUUID(), ...input };
  if (values.plan) return await tellPlan(invocation, document, request);
  const calls = await api();
  const accepted = await calls.mutate<Accepted & Also>(document, { input: request });
  tell(accepted);
  say(headline(accepted));
  const { operation } = accepted;
  if (values.wait) return await followOperation(invocation, operation.id);
  say(followHint(operation.id));
  return exitCodes.done;
}

const clusterIs = ({ cluster }: Accepted): string => `${cluster.name} is ${cluster.status}.`;

function documentOf(mutation: string, also: string): string {
  const type = `${mutation.slice(0, 1).toUpperCase()}${mutation.slice(1)}`;
  return `mutation ($input: ${type}Input!) {
    ${mutation}(input: $input) {
      ... on ${type}Payload { cluster { id name status } operation { id status } ${also} }
      ${planFields}
      ... on Error { code message }
      ... on InvalidInputError { fields { path message } }
    }
  }`;
}
