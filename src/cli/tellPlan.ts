import { CliError } from './cliError.ts';
import type { Invocation } from './command.ts';
import { type ExitCode, exitCodes } from './exitCodes.ts';
import { printable } from './printable.ts';

type Told = { code: string; message: string };
type Plan = {
  kind: string;
  allowed: boolean;
  steps: { name: string; instanceName: string | null }[];
  blockers: Told[];
  warnings: Told[];
  quota: { resource: string; change: number; used: number; limit: number }[];
};

export const planFields = /* GraphQL */ `... on OperationPlanned {
  kind allowed
  steps { name instanceName }
  blockers { code message }
  warnings { code message }
  quota { resource change used limit }
}`;

/** A dry run: tells what the request would bring about. The exit code tells whether it would be accepted. */
export async function tellPlan(
  { api, say, tell, values }: Invocation & { values: { wait?: boolean } },
  document: string,
  input: Record<string, unknown>,
): Promise<ExitCode> {
  if (values.wait) {
    throw new CliError('usage', 'USAGE', 'With --plan nothing is done that could be waited for: leave --wait out.');
  }
  const calls = await api();
  const plan = await calls.mutate<Plan>(document, { input: { ...input, plan: true } });
  tell(plan);
  for (const line of linesOf(plan)) say(printable(line));
  return plan.allowed ? exitCodes.done : exitCodes.refused;
}

function linesOf({ kind, allowed, steps, blockers, warnings, quota }: Plan): string[] {
  return [
    `${kind} would be ${allowed ? 'accepted' : 'refused'}. Nothing was done.`,
    ...blockers.map(({ code, message }) => `BLOCKED  ${message} (${code})`),
    ...warnings.map(({ code, message }) => `WARNING  ${message} (${code})`),
    ...steps.map(({ name }) => `STEP     ${name}`),
    ...quota.map(
      ({ resource, change, used, limit }) =>
        `QUOTA    ${resource} ${change > 0 ? '+' : ''}${change}, where ${used} of ${limit} are used`,
    ),
  ];
}
