import type { Invocation } from './command.ts';

export type Steered = { cluster: { name: string }; operation: { id: string; kind: string; status: string } };

/** Asks an operation to stop, or to run again: it is named by the argument. Tells how it stands then. */
export async function steerOperation(
  { api, argument, tell, say }: Invocation,
  mutation: 'cancelOperation' | 'retryOperation',
): Promise<Steered> {
  const type = `${mutation.slice(0, 1).toUpperCase()}${mutation.slice(1)}`;
  const document = `mutation ($input: ${type}Input!) {
    ${mutation}(input: $input) {
      ... on ${type}Payload { cluster { id name status } operation { id kind status } }
      ... on Error { code message }
    }
  }`;
  const calls = await api();
  const steered = await calls.mutate<Steered>(document, { input: { operationId: argument } });
  tell(steered);
  const { operation, cluster } = steered;
  say(`${operation.kind} of ${cluster.name} is ${operation.status}.`);
  return steered;
}
