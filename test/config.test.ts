import { describe, expect, test } from 'vitest';
import { loadConfig } from '../src/config.ts';

const retentionOf = (text: string) => loadConfig({ GROVE_EVENT_RETENTION_DAYS: text }, '/').eventRetention;

describe('GROVE_EVENT_RETENTION_DAYS', () => {
  test.each([
    ['', { days: 7, daysByProject: {} }],
    ['30', { days: 30, daysByProject: {} }],
    ['0.5', { days: 0.5, daysByProject: {} }],
    ['7,billing=30, shop = 1.5 ', { days: 7, daysByProject: { billing: 30, shop: 1.5 } }],
  ])('"%s" is understood', (text, expected) => {
    expect(retentionOf(text)).toEqual(expected);
  });

  test.each(['0', '-1', 'a week', '7,billing', '7,=3', '7,billing=0', '7,', 'billing=3', '7 days', 'Infinity'])(
    '"%s" is refused',
    (text) => {
      expect(() => retentionOf(text)).toThrow(/GROVE_EVENT_RETENTION_DAYS must be a number of days/);
    },
  );
});
