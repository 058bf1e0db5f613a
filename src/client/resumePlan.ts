/** How a subscription is taken up again after a lost connection. */
export type ResumePlan = {
  /** The name of its field in the results. */
  responseKey: string;
  /** What `complete` means: a log has no end, so the stream has to be taken up again; a state's stream has told the last one. */
  of: 'log' | 'state';
  /** The variable that the cursor goes into; null where there is none. */
  cursorVariable: string | null;
  /** True if a stream without a cursor begins with the state. */
  beginsWithSnapshot: boolean;
};

const logFields = ['events', 'cluster'];

/**
 * Reads the plan off the document. Throws a TypeError that says how to write it if a subscription to `events` or `cluster` could
 * not be resumed: its `after` has to be a variable, and it has to select `cursor`. Queries and mutations are refused: a mutation is not
 * to be repeated.
 */
export function resumePlan(document: string): ResumePlan {
  const { responseKey, field, args } = rootField(document);
  if (!logFields.includes(field)) {
    return { responseKey, of: 'state', cursorVariable: null, beginsWithSnapshot: false };
  }
  const cursorVariable = /\bafter\s*:\s*\$(\w+)/.exec(args)?.[1] ?? null;
  if (cursorVariable === null) {
    throw new TypeError(
      `The subscription cannot be resumed: give "${field}" a variable for the cursor, as in subscription ($after: Cursor) { ${field}(after: $after) { … } }.`,
    );
  }
  if (!/\bcursor\b/.test(document)) {
    throw new TypeError(`The subscription cannot be resumed: select "cursor" in each message of "${field}".`);
  }
  return { responseKey, of: 'log', cursorVariable, beginsWithSnapshot: field === 'cluster' };
}

function rootField(document: string): { responseKey: string; field: string; args: string } {
  const text = withoutNoise(document);
  const begin = text.search(/\bsubscription\b/);
  if (begin < 0) throw new TypeError('Only a subscription can be resumed. Send queries and mutations another way.');
  const operation = text.slice(begin);
  const selection = operation.slice(outsideParentheses(operation, '{') + 1);
  const { groups = {} } = /^\s*(?:(?<alias>\w+)\s*:\s*)?(?<field>\w+)\s*/.exec(selection) ?? {};
  const { alias, field = '' } = groups;
  const rest = selection.slice(/^\s*(?:\w+\s*:\s*)?\w+\s*/.exec(selection)?.[0].length ?? 0);
  const args = rest.startsWith('(') ? rest.slice(0, matchingParenthesis(rest)) : '';
  return { responseKey: alias ?? field, field, args };
}

/** Comments and strings may hold anything. */
const withoutNoise = (document: string): string =>
  document.replaceAll(/"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*/g, (noise) => (noise.startsWith('#') ? '' : '""'));

function outsideParentheses(text: string, wanted: string): number {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '(') depth += 1;
    else if (text[at] === ')') depth -= 1;
    else if (text[at] === wanted && depth === 0) return at;
  }
  return text.length;
}

function matchingParenthesis(text: string): number {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '(') depth += 1;
    else if (text[at] === ')' && --depth === 0) return at + 1;
  }
  return text.length;
}
