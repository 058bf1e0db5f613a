import { z } from 'zod';

/**
 * What shows nothing, or makes other text show as what it is not: control, bidirectional and zero-width characters, half a
 * character. Variation selectors stay: they are a part of emoji.
 */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u2800[\p{Default_Ignorable_Code_Point}--\p{Variation_Selector}]]/v;

/** Text for people, as it was typed: names and descriptions. */
export const plainText = (maxLength: number) =>
  z
    .string()
    .max(maxLength, `must have at most ${maxLength} characters`)
    .refine(
      (text) => !unseen.test(text),
      'must have no control characters, nor any that cannot be seen or turn the direction of text',
    );
