import type { Server, ServerResponse } from 'node:http';

/** Knows which requests are being answered. */
export type OpenRequests = {
  add(response: ServerResponse): void;
  /** Waits until all are answered, and cuts those that take longer. */
  end(options: { withinMs: number }): Promise<void>;
};

export function createOpenRequests(http: Server): OpenRequests {
  const open = new Set<ServerResponse>();
  return {
    add(response) {
      open.add(response);
      response.once('close', () => open.delete(response));
    },
    async end({ withinMs }) {
      const cut = setTimeout(() => http.closeAllConnections(), withinMs);
      await Promise.all([...open].map((response) => new Promise((resolve) => response.once('close', resolve))));
      clearTimeout(cut);
      http.closeAllConnections();
    },
  };
}
