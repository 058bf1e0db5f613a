import type { Argument } from './command.ts';

/** Commands on one operation name it so. */
export const operationArgument: Argument = {
  name: 'ID',
  meaning: 'the id of an operation, as grove operations list has it',
};
