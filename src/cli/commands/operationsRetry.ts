import { defineCommand } from '../command.ts';
import { exitCodes } from '../exitCodes.ts';
import { followHint, followOperation } from '../followOperation.ts';
import { operationArgument } from '../operationArgument.ts';
import { requestOptions } from '../requestOperation.ts';
import { steerOperation } from '../steerOperation.ts';

export const operationsRetry = defineCommand({
  words: 'operations retry',
  argument: operationArgument,
  summary: 'Runs an operation again that failed or was cancelled, from the step that did not succeed.',
  options: { wait: requestOptions.wait },
  async run(invocation) {
    const { operation } = await steerOperation(invocation, 'retryOperation');
    if (invocation.values.wait) return await followOperation(invocation, operation.id);
    invocation.say(followHint(operation.id));
    return exitCodes.done;
  },
});
