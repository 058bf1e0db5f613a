import type { ApiClient } from '../support/apiClient.ts';
import type { GroveHome } from '../support/groveProcess.ts';
import type { EndingMoment } from './killPoint.ts';
import type { FaultNumber } from './strikes.ts';

export type Asked = {
  /** The cluster that it changes or makes. */
  clusterId: string;
  operationId: string;
  /** Where it is about one. */
  backupId?: string;
};

/**
 * One run of a scenario. `number` is another one in each: for what has to differ from the run before. `struckAt`: when the strike was
 * over, or the run began.
 */
export type Round = { number: number; fault: FaultNumber; struckAt: Date };

/**
 * An operation that the sweep strikes. To add one: write it here and put it into `scenarios`; the sweep finds the steps by itself,
 * from what a run that is left alone records.
 */
export type Scenario = {
  /** Kind of the operation. */
  kind: string;
  /**
   * Brings about what the mutation needs.
   * @param left the cluster, whole, that the case before left. Null: there is none
   * @returns the cluster to ask it of; null: the mutation makes it
   */
  prepare(client: ApiClient, left: string | null, home: GroveHome): Promise<string | null>;
  /** Sends the mutation. */
  ask(client: ApiClient, clusterId: string | null, round: Round): Promise<Asked>;
  /** How the operation must end, if not SUCCEEDED. */
  end?: 'FAILED' | 'CANCELLED';
  /** Of one that must not succeed: where in its end Grove is killed. Left out: in each of its steps. */
  endings?: readonly EndingMoment[];
  /** What is not as it must be as soon as the operation has ended. Does what a person would do then, where something is to be done. */
  afterwards?(client: ApiClient, asked: Asked): Promise<string[]>;
  /**
   * The failures, by their codes, that the documentation allows where an agent or a server is lost in the middle, and the way out of
   * each: a retry of the operation, or the same mutation once more. That must succeed. Not where only Grove is killed.
   */
  mayFail?: Readonly<Record<string, 'RETRY' | 'ASK_AGAIN'>>;
  /** What is not as docs/lifecycle.md says, once the operation has ended; for the whole cluster that is left, besides its health. */
  faults(client: ApiClient, asked: Asked, round: Round): Promise<string[]>;
  /** False: nothing is left of the cluster. */
  leavesCluster: boolean;
};

/** Says what is there instead of what is wanted. None: it is there. */
export function differences(what: string, found: unknown, wanted: unknown): string[] {
  const [is, mustBe] = [JSON.stringify(found), JSON.stringify(wanted)];
  return is === mustBe ? [] : [`${what}: ${is} instead of ${mustBe}`];
}
