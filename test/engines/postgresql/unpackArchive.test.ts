import { createHash, randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { pack } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { type TarEntry, TarReader } from '#engines/postgresql/instance/tarReader.ts';
import { unpackArchive } from '#engines/postgresql/instance/unpackArchive.ts';
import { temporaryDirectory } from '../../support/temporaryDirectory.ts';

type Content = { name: string; content: Buffer | null; type?: 'symlink' };

/** An archive as another program writes it. Without content: a directory. */
async function archiveOf(entries: readonly Content[]): Promise<Buffer> {
  const archive = pack();
  for (const { name, content, type } of entries) {
    if (type) archive.entry({ name, type, linkname: '/etc/passwd' });
    else if (content === null) archive.entry({ name, type: 'directory', mode: 0o700 });
    else archive.entry({ name, mode: 0o600 }, content);
  }
  archive.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of archive) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

async function unpack(archive: Buffer, pieceBytes = 1000) {
  const into = await temporaryDirectory();
  const { input, unpacked } = unpackArchive(into, null);
  const outcome = unpacked.catch((error: Error) => error);
  for (let at = 0; at < archive.length; at += pieceBytes) input.write(archive.subarray(at, at + pieceBytes));
  input.end();
  const result = await outcome;
  if (result instanceof Error) throw result;
  return { into, ...result };
}

describe('an archive of a data directory', () => {
  test('is unpacked byte by byte as it is, with the fingerprint of each file', async () => {
    const large = randomBytes(70 * 1024 * 1024);
    const archive = await archiveOf([
      { name: 'base/', content: null },
      { name: 'base/1', content: Buffer.from('one') },
      { name: 'base/empty', content: Buffer.alloc(0) },
      { name: 'large', content: large },
    ]);
    const { into, files, bytes } = await unpack(archive, 65_536);
    expect(await readFile(join(into, 'base/1'), 'utf8')).toBe('one');
    expect((await stat(join(into, 'base'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(into, 'base/1'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(into, 'base/empty'))).size).toBe(0);
    expect((await readFile(join(into, 'large'))).equals(large)).toBe(true);
    expect([...files.keys()]).toEqual(['base/1', 'base/empty', 'large']);
    const sha256 = createHash('sha256').update(large).digest('hex');
    expect(files.get('large')).toEqual({ bytes: large.length, sha256 });
    expect(bytes).toBe(large.length + 3);
  });

  test('that is cut off, damaged, or would write outside or a link, is refused', async () => {
    const archive = await archiveOf([{ name: 'a', content: Buffer.alloc(3000, 7) }]);
    await expect(unpack(archive.subarray(0, 2000))).rejects.toThrow('cut off');
    await expect(unpack(archive.subarray(0, 300))).rejects.toThrow('cut off');
    const damaged = Buffer.from(archive);
    damaged[0] = 0x2f;
    await expect(unpack(damaged)).rejects.toThrow('checksum');
    await expect(unpack(await archiveOf([{ name: '../x', content: Buffer.from('x') }]))).rejects.toThrow('refused');
    const link = await archiveOf([{ name: 'pg_wal', content: null, type: 'symlink' }]);
    await expect(unpack(link)).rejects.toThrow('neither file nor directory');
  });

  test('that is given up is let go of', async () => {
    const archive = await archiveOf([{ name: 'a', content: Buffer.alloc(3000) }]);
    const { input, unpacked } = unpackArchive(await temporaryDirectory(), null);
    const outcome = unpacked.catch((error: Error) => error.message);
    input.write(archive.subarray(0, 1000));
    input.destroy(new Error('given up'));
    expect(await outcome).toBe('given up');
  });

  test('is read the same whatever pieces it comes in', async () => {
    const files = fc.uniqueArray(
      fc.record({ name: fc.stringMatching(/^[a-z]{1,20}$/), content: fc.uint8Array({ maxLength: 2000 }) }),
      { selector: ({ name }) => name, maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(files, fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 1 }), async (drawn, cuts) => {
        const entries = drawn.map(({ name, content }) => ({ name, content: Buffer.from(content) }));
        const archive = await archiveOf(entries);
        const seen: { name: string; content: Buffer }[] = [];
        const reader = new TarReader({
          begin: ({ name }: TarEntry) => void seen.push({ name, content: Buffer.alloc(0) }),
          content: (chunk) => {
            const last = seen.at(-1);
            if (last) last.content = Buffer.concat([last.content, chunk]);
          },
          end: () => {},
        });
        for (let at = 0, cut = 0; at < archive.length; cut += 1) {
          const bytes = cuts[cut % cuts.length] ?? 1;
          reader.take(archive.subarray(at, at + bytes));
          at += bytes;
        }
        expect(reader.isComplete).toBe(true);
        expect(seen).toEqual(entries);
      }),
      { numRuns: 50 },
    );
  });
});
