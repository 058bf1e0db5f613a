import type { Json } from '#lib/values/json.ts';

/**
 * A foreign value as PostgreSQL's jsonb can hold it: no NUL and no lone surrogate in any string or key, nothing that is not JSON.
 * One such character would otherwise refuse the whole statement, and with it the observations of every other agent.
 */
export function storableJson(value: unknown): Json {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value === 'string') return storableText(value);
  if (Array.isArray(value)) return value.map(storableJson);
  if (typeof value !== 'object') return null;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [storableText(key), storableJson(entry)]));
}

export function storableText(text: string): string {
  return text.replaceAll('\0', '').toWellFormed();
}
