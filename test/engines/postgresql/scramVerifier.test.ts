import { expect, test } from 'vitest';
import { scramVerifier } from '#engines/postgresql/scramVerifier.ts';
import { loopbackOnly, postgresqlInstance, secrets, toolchain } from '../../support/postgresqlInstance.ts';

test.skipIf(toolchain.binDirectory('18') === null)(
  'a verifier is the one that PostgreSQL makes of the same password and salt',
  async () => {
    const primary = await postgresqlInstance('orders-1', '18');
    await primary.run('initialize', { access: loopbackOnly });
    const admin = { user: 'grove_admin', password: secrets.grove_admin, database: 'postgres' };
    const [row] = await primary.query<{ verifier: string }>(
      `SELECT rolpassword AS verifier FROM pg_authid WHERE rolname = 'grove_admin'`,
      admin,
    );
    const salt = Buffer.from(row?.verifier.split(/[:$]/)[2] ?? '', 'base64');
    expect(scramVerifier(secrets.grove_admin, salt)).toBe(row?.verifier);
    expect(scramVerifier(secrets.grove_admin)).not.toBe(row?.verifier);
  },
);
