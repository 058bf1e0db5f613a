import { createHash } from 'node:crypto';
import type { CommandError } from '#agent/protocol.ts';
import type { InstanceFacts } from '#domain/facts.ts';
import {
  AgentCommandFailed,
  AgentSilent,
  type CommandMap,
  type SendCommand,
  type SendOptions,
} from '#engines/engine.ts';
import type { Bus } from '#events/bus.ts';
import { lookUntil } from '#events/lookUntil.ts';
import type { Logger } from '#lib/log/logger.ts';
import type { Clock } from '#lib/time/clock.ts';
import type { Json, JsonObject } from '#lib/values/json.ts';
import type { Database } from '#store/database.ts';

/** An agent that has not reported for this long is waited for by name, in milliseconds. */
const agentAwayMs = 10_000;

/** On whose behalf commands are sent: one step of one operation. */
export type CommandScope = {
  operationId: string;
  stepKey: string;
  /** When it aborts, waiting ends with its reason. The command itself is withdrawn when the operation ends. */
  signal: AbortSignal;
  /** Told what is waited for, in words, at each change. Null: for nothing any more. */
  onProgress?(what: string | null): void;
};

export type AgentChannelDeps = { db: Database; bus: Bus; clock: Clock; logger: Logger };

type CommandIdentity = { operationId: string; stepKey: string; instanceId: string; kind: string; payload: JsonObject };

/** The operations' way to the agents: a row that any control plane process delivers, and the wait for its end. */
export function createAgentChannel(deps: AgentChannelDeps) {
  return {
    /**
     * Commands for this step. The same command (instance, kind and payload) of the same step is done once: while it runs, and
     * once it has succeeded, sending it again answers from its record, also in another process; only after a failure it is
     * done anew.
     */
    sendTo(scope: CommandScope): SendCommand {
      return async <Commands extends CommandMap, Kind extends keyof Commands & string>(
        instance: InstanceFacts,
        kind: Kind,
        payload: Commands[Kind]['input'],
        { withinMs }: SendOptions = {},
      ): Promise<Commands[Kind]['result']> => {
        const { operationId, stepKey, signal } = scope;
        signal.throwIfAborted();
        const id = await ensureCommand(deps, { operationId, stepKey, instanceId: instance.id, kind, payload });
        const end = (limited: CommandScope) => awaitEnd(deps, limited, { id, instance, kind });
        return (await (withinMs === undefined
          ? end(scope)
          : inTime(scope, { withinMs, instance, kind }, end))) as Commands[Kind]['result'];
      };
    },
  };
}

/**
 * The id follows from what the command is and how often it failed before, so two workers that ask for the same command meet in
 * the same row and the primary key decides who writes it.
 */
async function ensureCommand({ db, bus, clock }: AgentChannelDeps, identity: CommandIdentity): Promise<string> {
  const { operationId, stepKey, instanceId, kind, payload } = identity;
  const earlier = await db.agentCommand.findMany({
    where: { operationId, stepKey, instanceId, kind },
    select: { id: true, status: true },
  });
  const statuses = new Map(earlier.map(({ id, status }) => [id, status]));
  let attempt = 0;
  while (statuses.get(commandId(identity, attempt)) === 'FAILED') attempt++;
  const id = commandId(identity, attempt);
  if (statuses.has(id)) return id;
  await db.agentCommand.createMany({
    data: { id, instanceId, operationId, stepKey, kind, payload, createdAt: clock.now() },
    skipDuplicates: true,
  });
  bus.publish(`commands:${instanceId}`);
  return id;
}

/** A name-based UUID (RFC 9562, version 8). */
function commandId({ operationId, stepKey, instanceId, kind, payload }: CommandIdentity, attempt: number): string {
  const name = canonicalJson([operationId, stepKey, instanceId, kind, payload, attempt]);
  const bytes = createHash('sha256').update(name).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** JSON with sorted keys. */
function canonicalJson(value: Json): string {
  return JSON.stringify(value, (_key, entry: Json) =>
    entry !== null && typeof entry === 'object' && !Array.isArray(entry)
      ? Object.fromEntries(Object.entries(entry).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : entry,
  );
}

async function inTime<T>(
  scope: CommandScope,
  { withinMs, instance, kind }: { withinMs: number; instance: InstanceFacts; kind: string },
  wait: (limited: CommandScope) => Promise<T>,
): Promise<T> {
  const limit = AbortSignal.timeout(withinMs);
  try {
    return await wait({ ...scope, signal: AbortSignal.any([scope.signal, limit]) });
  } catch (error) {
    if (error !== limit.reason || scope.signal.aborted) throw error;
    const message = `The agent of ${instance.name} did not ${inWords(kind)} within ${withinMs / 1000} s.`;
    throw new AgentSilent('AGENT_SILENT', message, { retryable: true, cause: error });
  }
}

type Waiting = { id: string; instance: InstanceFacts; kind: string };

async function awaitEnd(deps: AgentChannelDeps, scope: CommandScope, { id, instance, kind }: Waiting): Promise<Json> {
  let told: string | null = null;
  const look = async (): Promise<{ result: Json } | null> => {
    const command = await readCommand(deps, id);
    if (command === null) return null;
    if (command.status === 'SUCCEEDED') return { result: command.result as Json };
    if (command.status === 'FAILED') throw commandFailed(command.error);
    const what = waitingFor(command, { instance, kind, now: deps.clock.now() });
    if (what !== told) scope.onProgress?.(what);
    told = what;
    return null;
  };
  try {
    return (await lookUntil(deps.bus, { topics: [`command:${id}`], signal: scope.signal }, look)).result;
  } finally {
    scope.onProgress?.(null);
  }
}

/** Null: the store does not answer. The agent works on meanwhile, so the wait goes on. */
async function readCommand({ db, logger }: AgentChannelDeps, id: string) {
  try {
    return await db.agentCommand.findUniqueOrThrow({
      where: { id },
      select: { status: true, progress: true, result: true, error: true, instance: { select: { observedAt: true } } },
    });
  } catch (error) {
    logger.warn({ err: error, commandId: id }, 'could not read how an agent command stands; looking again');
    return null;
  }
}

type Progress = { progress: string | null; instance: { observedAt: Date | null } };

function waitingFor(
  { progress, instance: { observedAt } }: Progress,
  { instance, kind, now }: { instance: InstanceFacts; kind: string; now: Date },
): string {
  const away = observedAt === null || now.getTime() - observedAt.getTime() > agentAwayMs;
  if (away) return `the agent of ${instance.name} to connect`;
  return progress === null ? `${instance.name} to ${inWords(kind)}` : `${instance.name}: ${progress}`;
}

/** "ensureSlots" → "ensure slots". */
function inWords(kind: string): string {
  return kind.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function commandFailed(stored: unknown): AgentCommandFailed {
  const { code, message, retryable } = stored as CommandError;
  return new AgentCommandFailed(code, message, { retryable });
}
