import type { InstanceFacts } from '#domain/facts.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import { AgentSilent, type EngineContext } from '#engines/engine.ts';
import type { StepContext } from './operation.ts';

/** The same context, in which each command has so many milliseconds for its answer; then AgentSilent. By the command's kind. */
export function answeringWithin<Context extends EngineContext>(
  context: Context,
  withinMs: (kind: string) => number,
): Context {
  const send: EngineContext['send'] = (instance, kind, payload, options) =>
    context.send(instance, kind, payload, { withinMs: withinMs(kind), ...options });
  return { ...context, send };
}

/** As the call, but a step that has waited for a silent agent is not begun again: the cluster is held for long enough. */
export async function askedOnce<T>(context: StepContext, ask: (context: StepContext) => Promise<T>): Promise<T> {
  const { agentSilentMs } = context.timing;
  try {
    return await ask(answeringWithin(context, () => agentSilentMs));
  } catch (error) {
    throw error instanceof AgentSilent ? new StepFailure(error.code, error.message, { cause: error }) : error;
  }
}

/**
 * What an agent answers while the whole cluster waits for it: one that does not is started anew once, since a hang is mended by
 * that and what it was told it is told again. Throws AgentSilent where that does not help.
 */
export async function answered<T>(
  context: StepContext,
  { id: instanceId, name }: Pick<InstanceFacts, 'id' | 'name'>,
  ask: (context: StepContext) => Promise<T>,
): Promise<T> {
  const { agentHangsMs, agentSilentMs } = context.timing;
  const timer = setTimeout(() => {
    // Whoever has taken over may have its answer by now.
    if (context.signal.aborted) return;
    const instance = { clusterId: context.cluster.id, instanceId };
    context.provider
      .stopInstance(instance)
      .then(() => context.provider.startInstance(instance))
      .catch(() => context.waitingFor(`the agent of ${name}, which does not answer and could not be started anew`));
  }, agentHangsMs);
  try {
    return await ask(answeringWithin(context, () => agentSilentMs));
  } finally {
    clearTimeout(timer);
  }
}
