import type { Command } from './command.ts';
import { backupsCreate } from './commands/backupsCreate.ts';
import { backupsDelete } from './commands/backupsDelete.ts';
import { backupsList } from './commands/backupsList.ts';
import { backupsRestore } from './commands/backupsRestore.ts';
import { backupsVerify } from './commands/backupsVerify.ts';
import { clustersAddInstances } from './commands/clustersAddInstances.ts';
import { clustersCreate } from './commands/clustersCreate.ts';
import { clustersCredentials } from './commands/clustersCredentials.ts';
import { clustersDelete } from './commands/clustersDelete.ts';
import { clustersDropInstances } from './commands/clustersDropInstances.ts';
import { clustersGet } from './commands/clustersGet.ts';
import { clustersList } from './commands/clustersList.ts';
import { clustersPromote } from './commands/clustersPromote.ts';
import { clustersRejoin } from './commands/clustersRejoin.ts';
import { clustersRestart } from './commands/clustersRestart.ts';
import { clustersUpdate } from './commands/clustersUpdate.ts';
import { login } from './commands/login.ts';
import { logout } from './commands/logout.ts';
import { operationsCancel } from './commands/operationsCancel.ts';
import { operationsList } from './commands/operationsList.ts';
import { operationsRetry } from './commands/operationsRetry.ts';
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
  clustersRejoin,
  clustersUpdate,
  clustersCredentials,
  clustersDelete,
  backupsList,
  backupsCreate,
  backupsVerify,
  backupsRestore,
  backupsDelete,
  operationsList,
  operationsWatch,
  operationsCancel,
  operationsRetry,
  watch,
  login,
  logout,
];
