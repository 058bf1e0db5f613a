/** A text with the last part only of each absolute path in it: what is told to callers says nothing of where things lie. */
export function withoutPaths(text: string): string {
  return text
    .replaceAll(/(["'`])(\/[^"'`\n]*)\1/g, (_all, quote: string, path: string) => `${quote}${lastPart(path)}${quote}`)
    .replaceAll(/(?<=^|[\s(=[<])\/[^\s"'`)\]>,;:]+/g, lastPart);
}

function lastPart(path: string): string {
  return (
    path
      .replace(/[/.]+$/, '')
      .split('/')
      .at(-1) || '/'
  );
}
