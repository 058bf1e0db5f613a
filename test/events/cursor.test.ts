import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvalidInputError } from '#domain/errors.ts';
import { decodeCursor, encodeCursor } from '#events/cursor.ts';

const epoch = Buffer.from('a1b2c3d4e5f6', 'hex');

describe('a cursor', () => {
  test('carries any sequence number there and back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), (seq) => {
        expect(decodeCursor(epoch, encodeCursor(epoch, seq))).toEqual({ ok: true, seq });
      }),
    );
  });

  test('of another epoch is told from one of this', () => {
    const foreign = encodeCursor(Buffer.from('000000000000', 'hex'), 5n);
    expect(decodeCursor(epoch, foreign)).toEqual({ ok: false, reason: 'FOREIGN_EPOCH' });
  });

  test('is refused if it was never one', () => {
    const genuine = encodeCursor(epoch, 5n);
    const malformed = [
      '',
      '5',
      'not a cursor!',
      `${genuine}A`,
      genuine.slice(1),
      `${genuine}=`,
      ` ${genuine}`,
      `${genuine.startsWith('A') ? 'B' : 'A'}${genuine.slice(1)}`,
    ];
    for (const cursor of malformed) expect(() => decodeCursor(epoch, cursor), cursor).toThrow(InvalidInputError);
  });
});
