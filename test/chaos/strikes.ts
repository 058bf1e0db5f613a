import { type Moment, moments, stepMoments } from './killPoint.ts';

/** What the sweep does to an operation, by the numbers of docs/lifecycle.md. */
export const faultNumbers = ['F01', 'F02', 'F03'] as const;
export type FaultNumber = (typeof faultNumbers)[number];

/** Who is killed with -9 in F02: the agent of an instance, or the agent with its database server. */
export const victims = ['AGENT', 'AGENT_AND_SERVER'] as const;
export type Victim = (typeof victims)[number];

/**
 * What is away for a second in F03. STORE: PostgreSQL, killed with -9. STORE_IN_ORDER: PostgreSQL, told to stop, which ends its
 * sessions. REDIS: Redis, killed with -9.
 */
export const outages = ['STORE', 'STORE_IN_ORDER', 'REDIS'] as const;
export type Outage = (typeof outages)[number];

/** One fault in one place. F01: Grove is killed with -9 there; F02 and F03: in the middle of the step. */
export type Strike = { fault: 'F01'; what: Moment } | { fault: 'F02'; what: Victim } | { fault: 'F03'; what: Outage };

/** Everything that can be done to a step. COMMAND needs one that sends commands. */
export function strikesOn({ commands }: { commands: readonly string[] }, fault: FaultNumber): Strike[] {
  switch (fault) {
    case 'F01':
      return stepMoments
        .filter((what) => what !== 'COMMAND' || commands.length > 0)
        .map((what) => ({ fault: 'F01', what }));
    case 'F02':
      return victims.map((what) => ({ fault: 'F02', what }));
    case 'F03':
      return outages.map((what) => ({ fault: 'F03', what }));
  }
}

export const allStrikes: readonly string[] = [...moments, ...victims, ...outages];
