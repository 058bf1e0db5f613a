import { type ParseOptions, parse, type Source } from 'graphql';
import type { Plugin } from 'graphql-yoga';

/** Words and signs of the longest document: a parser that goes on with what cannot be meant exhausts its stack. */
const MAX_TOKENS = 4000;

export function useTokenLimit(): Plugin {
  return {
    onParse({ setParseFn }) {
      setParseFn((source: string | Source, options?: ParseOptions) =>
        parse(source, { ...options, maxTokens: MAX_TOKENS }),
      );
    },
  };
}
