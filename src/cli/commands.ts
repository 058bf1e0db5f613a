import type { Command } from './command.ts';
import { backupsCreate } from './commands/backupsCreate.ts';
import { backupsDelete } from './commands/backupsDelete.ts';
import { backupsList } from './commands/backupsList.ts';
import { backupsRestore } from './commands/backupsRestore.ts';
import { backupsVerify } from './commands/backupsVerify.ts';
import { clustersAddInstances } from './commands/clustersAddInstances.ts';
import { clustersCreate } from './commands/clustersCreate.ts';
import { clustersDelete } from './commands/clustersDelete.ts';
import { clustersDropInstances } from './commands/clustersDropInstances.ts';
import { clustersGet } from './commands/clustersGet.ts';
import { clustersList } from './commands/clustersList.ts';
import { clustersPromote } from './commands/clustersPromote.ts';
import { clustersRestart } from './commands/clustersRestart.ts';
import { login } from './commands/login.ts';
import { logout } from './commands/logout.ts';
import { operationsList } from './commands/operationsList.ts';
import { operationsWatch } from './commands/operationsWatch.ts';
import { watch } from './commands/watch.ts';

export const commands: readonly Command[] = [
  clustersList,
  clustersGet,
  clustersCreate,
  clustersAddInstances,
  clustersDropInstances,
  clustersRestart,
  clustersPromote,
  clustersDelete,
  backupsList,
  backupsCreate,
  backupsVerify,
  backupsRestore,
  backupsDelete,
  operationsList,
  operationsWatch,
  watch,
  login,
  logout,
];
