import { pipeline, Readable } from 'node:stream';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';

/** How archives lie in the backup store: compressed with Zstandard, with a checksum of its own. */
const chunkSize = 256 * 1024;
const params = { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 };

/** The content as the store gets it. */
export function compressed(archive: Readable): AsyncIterable<Uint8Array> {
  return passed(archive, createZstdCompress({ chunkSize, params }));
}

/** The content as it was before `compressed`. */
export function decompressed(file: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return passed(Readable.from(file, { objectMode: false }), createZstdDecompress({ chunkSize }));
}

function passed<T extends NodeJS.ReadWriteStream & AsyncIterable<Uint8Array>>(
  source: Readable,
  through: T,
): AsyncIterable<Uint8Array> {
  // An error of the source reaches whoever reads: the pipeline destroys what is read with it.
  pipeline(source, through, () => {});
  return through;
}
