import { pino } from 'pino';
import { createInProcessBus } from '#events/inProcessBus.ts';
import { eventAsJson } from '#graphql/eventAsJson.ts';
import { createSecretBox } from '#lib/secrets/secretBox.ts';
import { systemClock } from '#lib/time/clock.ts';
import { createDatabase } from '#store/database.ts';
import { startDeliveries } from '#webhooks/startDeliveries.ts';

/** A process that does nothing but deliver, until it is killed. */
const [url, leaseMs] = process.argv.slice(2);
if (url === undefined) throw new Error('Usage: node test/webhooks/workerProgram.ts DATABASE_URL LEASE_MS');
await startDeliveries(
  {
    db: createDatabase(url),
    bus: createInProcessBus(),
    clock: systemClock,
    logger: pino({ level: 'warn' }),
    secrets: createSecretBox(new Uint8Array(32)),
    describe: eventAsJson,
    webhookNetworks: ['127.0.0.0/8'],
  },
  { soleProcess: false, options: { lookMs: 20, eventsPerMessage: 10, timeoutMs: 2000, leaseMs: Number(leaseMs) } },
);
