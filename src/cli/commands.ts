import type { Command } from './command.ts';
import { clustersCreate } from './commands/clustersCreate.ts';
import { clustersDelete } from './commands/clustersDelete.ts';
import { clustersGet } from './commands/clustersGet.ts';
import { clustersList } from './commands/clustersList.ts';
import { login } from './commands/login.ts';
import { logout } from './commands/logout.ts';
import { operationsList } from './commands/operationsList.ts';
import { operationsWatch } from './commands/operationsWatch.ts';
import { watch } from './commands/watch.ts';

export const commands: readonly Command[] = [
  clustersList,
  clustersGet,
  clustersCreate,
  clustersDelete,
  operationsList,
  operationsWatch,
  watch,
  login,
  logout,
];
