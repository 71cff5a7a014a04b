import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import kafkajs from 'kafkajs';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import { compressSync, uncompressSync } from 'snappy';

const { CompressionCodecs, CompressionTypes } = kafkajs;

interface Encoder {
  buffer: Buffer;
}

/** kafkajs has gzip only. Its users add the others. */
export function registerCodecs(): void {
  const codec = (compress: (data: Buffer) => Buffer, decompress: (data: Buffer) => Buffer) => () => ({
    compress: async (encoder: Encoder) => compress(encoder.buffer),
    decompress: async (data: Buffer) => decompress(data),
  });
  CompressionCodecs[CompressionTypes.LZ4] = codec(compressFrameSync, decompressFrameSync);
  CompressionCodecs[CompressionTypes.ZSTD] = codec(zstdCompressSync, zstdDecompressSync);
  CompressionCodecs[CompressionTypes.Snappy] = codec(
    compressSync,
    (data) => uncompressSync(data, { asBuffer: true }) as Buffer,
  );
}
