import { type Actor, type Permission, permits, requiredRole } from './actor.ts';
import { ForbiddenError } from './errors.ts';

/** Throws ForbiddenError unless the actor's role includes the permission. `action` is what was asked for, in words. */
export function requirePermission(actor: Actor, action: string, permission: Permission): void {
  if (permits(actor, permission)) return;
  throw new ForbiddenError(action, requiredRole[permission], actor.kind === 'API_KEY' ? actor.role : actor.kind);
}
