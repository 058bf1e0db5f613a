import type { FailoverPolicy as FailoverPolicyFacts } from '#domain/facts.ts';
import { limits } from '#domain/limits.ts';
import type { FailoverMode as FailoverModeName } from '#generated/prisma/enums.ts';
import { builder } from '../builder.ts';
import { describedEnum } from '../describedEnum.ts';
import { Cluster } from './Cluster.ts';

const FailoverMode = describedEnum<FailoverModeName>('FailoverMode', "What happens when a cluster's primary is lost.", {
  AUTOMATIC: 'Grove promotes a replica by itself.',
  MANUAL: 'Somebody has to ask for it with `promoteInstance`.',
});

const { minimum, maximum } = limits.detectAfterSeconds;
const maxLagBytes = 'How far behind the primary a replica may be to be promoted, in bytes.';
const detectAfterSeconds = 'How long the primary must be gone before Grove promotes another by itself, in seconds';

const FailoverPolicy = builder.objectRef<FailoverPolicyFacts>('FailoverPolicy').implement({
  description: "What happens when a cluster's primary is lost, and when.",
  fields: (t) => ({
    mode: t.expose('mode', { type: FailoverMode, description: 'Who asks for a failover.' }),
    maxLagBytes: t.expose('maxLagBytes', { type: 'BigInt', description: maxLagBytes }),
    detectAfterSeconds: t.exposeInt('detectAfterSeconds', { description: `${detectAfterSeconds}.` }),
  }),
});

export const FailoverPolicyInput = builder.inputType('FailoverPolicyInput', {
  description: "What happens when a cluster's primary is lost, and when. What is left out stays, or is as by default.",
  fields: (t) => ({
    mode: t.field({ type: FailoverMode, description: 'Who asks for a failover. By default AUTOMATIC.' }),
    maxLagBytes: t.field({ type: 'BigInt', description: `${maxLagBytes} By default 16777216 (16 MiB).` }),
    detectAfterSeconds: t.int({ description: `${detectAfterSeconds}: ${minimum} to ${maximum}. By default 3.` }),
  }),
});

/** As the operations take it. */
export const toFailover = (policy: typeof FailoverPolicyInput.$inferInput | null | undefined) =>
  policy == null ? null : { ...policy, maxLagBytes: policy.maxLagBytes == null ? null : Number(policy.maxLagBytes) };

builder.prismaObjectFields(Cluster, (t) => ({
  synchronous: t.exposeBoolean('synchronous', {
    description:
      'True: a commit is acknowledged only once a replica has it too, so that a failover loses none. Commits wait while no replica ' +
      'is there.',
  }),
  failover: t.field({
    type: FailoverPolicy,
    description: 'What happens when its primary is lost.',
    select: { failoverMode: true, failoverMaxLagBytes: true, failoverDetectAfterSeconds: true },
    resolve: (row) => ({
      mode: row.failoverMode,
      maxLagBytes: Number(row.failoverMaxLagBytes),
      detectAfterSeconds: row.failoverDetectAfterSeconds,
    }),
  }),
}));
