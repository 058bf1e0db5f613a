import { defineCommand } from '../command.ts';
import { followOperation } from '../followOperation.ts';
import { operationArgument } from '../operationArgument.ts';

export const operationsWatch = defineCommand({
  words: 'operations watch',
  argument: operationArgument,
  summary: 'Tells the steps of an operation until it has ended; exits with 1 if it did not succeed.',
  run: (invocation) => followOperation(invocation, invocation.argument),
});
