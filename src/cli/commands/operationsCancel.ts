import { defineCommand } from '../command.ts';
import { exitCodes } from '../exitCodes.ts';
import { followHint } from '../followOperation.ts';
import { operationArgument } from '../operationArgument.ts';
import { steerOperation } from '../steerOperation.ts';

export const operationsCancel = defineCommand({
  words: 'operations cancel',
  argument: operationArgument,
  summary: 'Stops an operation at its next step border, and leaves the cluster as it then is.',
  async run(invocation) {
    const { operation } = await steerOperation(invocation, 'cancelOperation');
    invocation.say(followHint(operation.id));
    return exitCodes.done;
  },
});
