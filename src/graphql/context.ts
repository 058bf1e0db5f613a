import type { Actor } from '#domain/actor.ts';
import type { Feed } from '#events/feed.ts';
import type { OperationDeps } from '#operations/deps.ts';
import type { ReadDatabase } from '#store/database.ts';
import { createLoaders, type Loaders } from './loaders.ts';

/** What the API is built of. */
export type GraphqlDeps = { operations: OperationDeps; feed: Feed };

/** What a resolver gets. */
export type Context = {
  /** Whose key it is. Null: no valid key came with the request. */
  actor: Actor | null;
  /** The store without its write methods: a resolver changes nothing but through an operation. */
  db: ReadDatabase;
  /** Handed on whole to operations and to auth; resolvers read nothing from it but `engines`, `clock` and `quotaDefaults`. */
  operations: OperationDeps;
  feed: Feed;
  loaders: Loaders;
};

/** Holds nothing: no project has this id. */
const nobodysProject = '00000000-0000-0000-0000-000000000000';

/** One context for each request, and one for each subscription. */
export function createContext({ operations, feed }: GraphqlDeps, actor: Actor | null): Context {
  const { db } = operations;
  return { actor, db, operations, feed, loaders: createLoaders(operations, actor?.projectId ?? nobodysProject) };
}
