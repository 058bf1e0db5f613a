/** What is to be closed, in the reverse of the order in which it was opened. */
export type Closers = {
  add(name: string, close: () => Promise<void> | void): void;
  /** Closes everything once. A failure does not keep the rest open: it is handed to `onError`. */
  closeAll(): Promise<void>;
};

export function createClosers(onError: (name: string, error: unknown) => void): Closers {
  const open: { name: string; close: () => Promise<void> | void }[] = [];
  return {
    add: (name, close) => void open.push({ name, close }),
    async closeAll() {
      for (let next = open.pop(); next; next = open.pop()) {
        try {
          await next.close();
        } catch (error) {
          onError(next.name, error);
        }
      }
    },
  };
}
