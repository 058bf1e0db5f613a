import { setMaxListeners } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionArgs } from 'graphql';
import { useServer as serveGraphql } from 'graphql-ws/use/ws';
import { createPubSub, createSchema, createYoga } from 'graphql-yoga';
import { WebSocketServer } from 'ws';

/**
 * A program of its own: subscriptions as the documentation of GraphQL Yoga and graphql-ws has them, with the events of Grove.
 * It tells its parent its port and the time of each event that it was told to publish, in milliseconds since 1970.
 */
type Message = { events: object[]; cursor: string };
type Executors = { execute: (args: ExecutionArgs) => never; subscribe: (args: ExecutionArgs) => never };

// A thousand listeners are meant: Node warns of more than ten.
const eventTarget = new EventTarget();
setMaxListeners(0, eventTarget);
const pubSub = createPubSub<{ events: [Message] }>({ eventTarget: eventTarget as never });
const yoga = createYoga({
  logging: false,
  schema: createSchema({
    typeDefs: /* GraphQL */ `
      scalar JSON
      type Query { fine: Boolean }
      type Actor { kind: String! name: String! role: String }
      type Event {
        cursor: String! type: String! at: String! actor: Actor! clusterId: ID instanceId: ID operationId: ID
        fromStatus: String toStatus: String payload: JSON!
      }
      type EventBatch { events: [Event!]! cursor: String! }
      type Heartbeat { cursor: String! at: String! }
      union EventMessage = EventBatch | Heartbeat
      type Subscription { events(after: String): EventMessage! }
    `,
    resolvers: {
      EventMessage: { __resolveType: () => 'EventBatch' },
      Subscription: { events: { subscribe: () => pubSub.subscribe('events'), resolve: (message: Message) => message } },
    },
  }),
});
const http = createServer(yoga);
serveGraphql(
  {
    execute: (args) => (args.rootValue as Executors).execute(args),
    subscribe: (args) => (args.rootValue as Executors).subscribe(args),
    onSubscribe: async (context, _id, params) => {
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
        ...context,
        req: context.extra.request,
        socket: context.extra.socket,
        params,
      });
      const args = {
        schema,
        operationName: params.operationName ?? null,
        document: parse(params.query),
        variableValues: params.variables ?? {},
        contextValue: await contextFactory(),
        rootValue: { execute, subscribe },
      };
      const errors = validate(args.schema, args.document);
      return errors.length > 0 ? errors : args;
    },
  },
  new WebSocketServer({ server: http, path: '/graphql' }),
);
http.listen(0, '127.0.0.1', () => process.send?.({ port: (http.address() as AddressInfo).port }));
process.on('message', ({ label, event }: { label: string; event: object }) => {
  const at = performance.timeOrigin + performance.now();
  const { cursor } = event as { cursor: string };
  pubSub.publish('events', { cursor, events: [event] });
  process.send?.({ label, at });
});
process.on('disconnect', () => process.exit());
