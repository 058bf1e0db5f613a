import { setImmediate as othersTurn } from 'node:timers/promises';

const AT_ONCE = 32;

/**
 * Does something to each, some at a time: what the first ones set off is done before it is the next ones' turn, and so is all else
 * that this process is asked meanwhile.
 */
export async function inTurn<T>(all: Iterable<T>, act: (one: T) => void): Promise<void> {
  for (const [index, one] of [...all].entries()) {
    if (index > 0 && index % AT_ONCE === 0) await othersTurn();
    act(one);
  }
}
