/** Words that several inputs share. */
export const idempotencyKeyDescription =
  'Any text that you choose anew for each request. Sent again with the same input it gets the first answer, and nothing is ' +
  'done twice: so a request whose answer was lost can be repeated.';
export const expectedVersionDescription =
  "The cluster's `version` as you have read it. If it has changed since, the request is refused. Left out: any version.";
export const clusterIdDescription = 'The id of the cluster.';
export const operationIdDescription = 'The id of the operation.';
export const planDescription =
  'True: a dry run. It answers with `OperationPlanned`: the steps, all that blocks it, warnings and the change of the quota, and ' +
  'writes nothing. Needs the same role as the change itself. Left out: false.';
