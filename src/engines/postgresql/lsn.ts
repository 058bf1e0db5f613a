/** A position in the WAL as a number of bytes. PostgreSQL writes it as two halves in hexadecimal digits, e.g. "0/3000060". */
export function lsnToBytes(lsn: string): bigint {
  const [high = '0', low = '0'] = lsn.split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

/** How many bytes `ahead` is in front of `behind`; never less than 0. */
export function lsnDifference(ahead: string, behind: string): number {
  const bytes = lsnToBytes(ahead) - lsnToBytes(behind);
  return bytes > 0n ? Number(bytes) : 0;
}

/** True if `a` lies behind `b` in the WAL, that is, was written before it. */
export function isBefore(a: string, b: string): boolean {
  return lsnToBytes(a) < lsnToBytes(b);
}
