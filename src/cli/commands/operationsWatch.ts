import { defineCommand } from '../command.ts';
import { followOperation } from '../followOperation.ts';

export const operationsWatch = defineCommand({
  words: 'operations watch',
  argument: { name: 'ID', meaning: 'the id of an operation, as grove operations list has it' },
  summary: 'Tells the steps of an operation until it has ended; exits with 1 if it did not succeed.',
  run: (invocation) => followOperation(invocation, invocation.argument),
});
