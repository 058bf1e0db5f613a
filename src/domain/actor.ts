/** What a key may do in its project; each role includes the ones before it. */
export const roles = ['VIEWER', 'OPERATOR', 'ADMIN'] as const;
export type Role = (typeof roles)[number];

export type Permission =
  | 'read'
  | 'cluster:create'
  | 'cluster:update'
  | 'cluster:scale'
  | 'cluster:promote'
  | 'cluster:restart'
  | 'cluster:delete'
  | 'cluster:protect'
  | 'operation:control'
  | 'credentials:reveal'
  | 'keys:manage'
  | 'quota:manage';

/** The least role that a permission needs (docs/security.md). */
export const requiredRole = {
  read: 'VIEWER',
  'cluster:create': 'OPERATOR',
  'cluster:update': 'OPERATOR',
  'cluster:scale': 'OPERATOR',
  'cluster:promote': 'OPERATOR',
  'cluster:restart': 'OPERATOR',
  'cluster:delete': 'OPERATOR',
  'cluster:protect': 'ADMIN',
  'operation:control': 'OPERATOR',
  'credentials:reveal': 'ADMIN',
  'keys:manage': 'ADMIN',
  'quota:manage': 'ADMIN',
} satisfies Record<Permission, Role>;

/** Who causes a change, as events and operations record it. */
export type Actor =
  | { kind: 'API_KEY'; projectId: string; keyId: string; name: string; role: Role }
  | { kind: 'SYSTEM'; projectId: string; name: string };

/** True if the actor's role includes the permission. Grove itself may do all that its monitors ask for. */
export function permits(actor: Actor, permission: Permission): boolean {
  if (actor.kind === 'SYSTEM') return true;
  return roles.indexOf(actor.role) >= roles.indexOf(requiredRole[permission]);
}
