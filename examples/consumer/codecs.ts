import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import kafkajs from 'kafkajs';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import { compressSync, uncompressSync } from 'snappy';

const { CompressionCodecs, CompressionTypes } = kafkajs;

/** An entry chooses its compression. kafkajs itself reads gzip only. */
export function registerCodecs(): void {
  CompressionCodecs[CompressionTypes.LZ4] = codec(compressFrameSync, decompressFrameSync);
  CompressionCodecs[CompressionTypes.ZSTD] = codec(zstdCompressSync, zstdDecompressSync);
  CompressionCodecs[CompressionTypes.Snappy] = codec(compressSync, (data) => uncompressSync(data) as Buffer);
}

function codec(compress: (data: Buffer) => Buffer, decompress: (data: Buffer) => Buffer) {
  return () => ({
    compress: async ({ buffer }: { buffer: Buffer }) => compress(buffer),
    decompress: async (data: Buffer) => decompress(data),
  });
}
