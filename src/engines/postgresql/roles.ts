/** The superuser: Grove's own, from the agent's networks only. */
export const adminRole = 'grove_admin';
/** What replicas sign in with at their primary. */
export const replicatorRole = 'grove_replicator';
/** The customer's user, who owns the customer's database. */
export const clientRole = 'app';
export const clientDatabase = 'app';
