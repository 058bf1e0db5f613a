/** The key in an `Authorization: Bearer …` header. Null: the header is missing or of another scheme. */
export function bearerToken(authorization: string | null | undefined): string | null {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? null;
}
