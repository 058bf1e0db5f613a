import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { killAll, processesOf, type RunningProcess } from '../support/processTree.ts';
import { steadyName } from './killPoint.ts';
import type { Victim } from './strikes.ts';

const pollMs = 3;

type Place = { operationId: string; step: string };

/**
 * Kills in the middle of a step: the instance that the step is about, as soon as its agent runs; for a step that is about none, the
 * primary, and where that does not run (or nobody is it yet) the first by name that does. Nobody starts them again but the product.
 * @param held the step is held up until then, so that nobody can come in the meantime
 * @returns false: there was nobody until the step's end
 */
export async function killVictim(
  store: pg.Client,
  { held, ...place }: Place & { held: boolean },
  what: Victim,
): Promise<boolean> {
  for (;;) {
    const { candidates, over } = await look(store, place);
    for (const id of candidates) {
      const own = processesOf(id);
      const agent = own.filter(isAgent);
      if (agent.length === 0) continue;
      await killAll(what === 'AGENT' ? agent : own);
      // What the first ones started meanwhile.
      if (what === 'AGENT_AND_SERVER') await killAll(processesOf(id));
      return true;
    }
    if (over || held) return false;
    await pause(pollMs);
  }
}

const isAgent = ({ command }: RunningProcess): boolean => command.includes('agent');

async function look(store: pg.Client, { operationId, step }: Place): Promise<{ candidates: string[]; over: boolean }> {
  const { rows } = await store.query<{ id: string; over: boolean }>(
    `SELECT i.id, s.finished_at IS NOT NULL AS over
     FROM operation_step s JOIN operation o ON o.id = s.operation_id JOIN cluster c ON c.id = o.cluster_id
       JOIN instance i ON i.cluster_id = c.id
     WHERE s.operation_id = $1 AND ${steadyName('s.name')} = $2 AND i.id = coalesce(s.instance_id, i.id)
     ORDER BY (i.id = c.primary_instance_id) DESC NULLS LAST, i.name`,
    [operationId, step],
  );
  return { candidates: rows.map(({ id }) => id), over: rows.every(({ over }) => over) };
}
