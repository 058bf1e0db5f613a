import type { ServerOptions } from 'graphql-ws';
import type { Bus } from '#events/bus.ts';
import type { Clock } from '#lib/time/clock.ts';
import { type CommandStreamDeps, commandStream } from './commandStream.ts';
import { finishCommand } from './finishCommand.ts';
import type { ObservationIntake } from './observations.ts';
import { recordProgress } from './recordProgress.ts';
import type { AgentIdentity } from './signInAgent.ts';

/** One signed-in connection. The signal aborts when it is gone. */
export type AgentSession = { agent: AgentIdentity; signal: AbortSignal };

type AgentRootsDeps = CommandStreamDeps & { bus: Bus; clock: Clock; observations: Pick<ObservationIntake, 'report'> };

export type AgentRoots = {
  roots: NonNullable<ServerOptions['roots']>;
  /** Resolves when everything that agents asked for so far is done. */
  settled(): Promise<void>;
};

/** What the agents' schema does, always for the instance of the calling session. */
export function agentRoots(deps: AgentRootsDeps): AgentRoots {
  const running = new Set<Promise<unknown>>();

  async function masked<T>(field: string, { agent }: AgentSession, work: () => Promise<T>): Promise<T> {
    const call = work();
    running.add(call);
    try {
      return await call;
    } catch (error) {
      deps.logger.error({ err: error, instanceId: agent.instanceId, field }, 'could not answer an agent');
      throw new Error('Internal error');
    } finally {
      running.delete(call);
    }
  }

  return {
    roots: {
      query: { ping: () => true },
      mutation: {
        report: ({ observation }: { observation: unknown }, { agent }: AgentSession) => {
          deps.observations.report(agent, observation);
          return true;
        },
        progress: (args: { commandId: string; message: string }, session: AgentSession) =>
          masked('progress', session, () => recordProgress(deps, session.agent, args)),
        finish: (args: { commandId: string; outcome: unknown }, session: AgentSession) =>
          masked('finish', session, () => finishCommand(deps, session.agent, args)),
      },
      subscription: {
        commands: (_args: unknown, session: AgentSession) => commandEvents(deps, session),
      },
    },
    async settled() {
      await Promise.allSettled(running);
    },
  };
}

async function* commandEvents(deps: CommandStreamDeps, { agent, signal }: AgentSession) {
  for await (const command of commandStream(deps, agent, signal)) yield { commands: command };
}
