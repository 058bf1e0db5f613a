import { expect, test } from 'vitest';
import { textFrame } from '#server/textFrame.ts';

/** RFC 6455, 5.2: the length in 7 bits up to 125, behind 126 in 16 bits, behind 127 in 64 bits. */
test.each([
  [0, '8100'],
  [1, '8101'],
  [125, '817d'],
  [126, '817e007e'],
  [65_535, '817effff'],
  [65_536, '817f0000000000010000'],
])('a text of %i bytes has the head %s', (length, head) => {
  const text = Buffer.from('x'.repeat(length));
  const middle = Math.floor(length / 2);
  const frame = textFrame(text.subarray(0, middle), text.subarray(middle));
  expect(frame.toString('latin1')).toBe(Buffer.concat([Buffer.from(head, 'hex'), text]).toString('latin1'));
});
