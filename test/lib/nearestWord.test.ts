import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nearestWord } from '#lib/values/nearestWord.ts';

test.each([
  ['hlep', 'help'],
  ['instnaces', 'instances'],
  ['instance', 'instances'],
  ['wiat', 'wait'],
  ['waiit', 'wait'],
  ['frobnicate', null],
  ['', null],
])('what is mistyped as "%s" was meant as %s', (typed, meant) => {
  expect(nearestWord(typed, ['help', 'instances', 'wait', 'json'])).toBe(meant);
});

test('nothing is proposed where two words are equally near', () => {
  expect(nearestWord('keep-dount', ['keep-count', 'keep-fount'])).toBeNull();
});

test('a known word is nearest to itself, and to itself with one letter too many', () => {
  const words = fc.uniqueArray(fc.stringMatching(/^[a-m]{3,12}$/), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(words, fc.nat(), fc.nat(), (known, which, where) => {
      const word = known[which % known.length] ?? '';
      expect(nearestWord(word, known)).toBe(word);
      const place = where % (word.length + 1);
      const longer = `${word.slice(0, place)}z${word.slice(place)}`;
      expect(nearestWord(longer, [word])).toBe(word);
    }),
  );
});
