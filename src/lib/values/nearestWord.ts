/** The known word that was probably meant by a mistyped one. Null: none is near, or several are equally. */
export function nearestWord(typed: string, known: readonly string[]): string | null {
  const farthest = Math.max(1, Math.floor(typed.length / 3));
  const near = known
    .map((word) => ({ word, distance: editDistance(typed, word) }))
    .filter(({ distance }) => distance <= farthest)
    .toSorted((a, b) => a.distance - b.distance);
  const [first, second] = near;
  return first === undefined || second?.distance === first.distance ? null : first.word;
}

/** How many characters have to be put in, left out, replaced or swapped with their neighbour. */
function editDistance(from: string, to: string): number {
  let [beforeLast, last]: [number[], number[]] = [[], [...to, ''].map((_, column) => column)];
  for (let row = 1; row <= from.length; row++) {
    const next = [row];
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row - 1] === to[column - 1];
      const isSwapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      const ways = [at(last, column) + 1, at(next, column - 1) + 1, at(last, column - 1) + (isSame ? 0 : 1)];
      if (row > 1 && column > 1 && isSwapped) ways.push(at(beforeLast, column - 2) + 1);
      next.push(Math.min(...ways));
    }
    [beforeLast, last] = [last, next];
  }
  return at(last, to.length);
}

const at = (distances: readonly number[], index: number): number => distances[index] ?? Number.POSITIVE_INFINITY;
