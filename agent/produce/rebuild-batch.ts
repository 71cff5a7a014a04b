import { compress } from '../encode/compress.ts';
import { encodeRecordBatch, type RecordBatch } from '../encode/record-batch.ts';
import type { Workbench, WorkPool } from '../encode/work-pool.ts';
import type { BatchFacts, IntentSegment } from '../model/segment.ts';

/**
 * Encodes a batch's records again. `encode` encodes one segment and rejects if its bytes are no
 * longer the same. Rejects if the number of records differs: a broker recognises a repeat by that.
 */
export async function rebuildBatch(
  facts: BatchFacts,
  pool: WorkPool,
  encode: (index: number, segment: IntentSegment, bench: Workbench) => Promise<void>,
): Promise<RecordBatch> {
  const bench = await pool.acquireBench();
  try {
    bench.records.reset();
    for (const [index, segment] of facts.segments.entries()) await encode(index, segment, bench);
    const { recordCount } = bench.records;
    if (recordCount !== facts.recordCount)
      throw new Error(`the file's bytes have changed: ${recordCount} records instead of ${facts.recordCount}`);
    return encodeRecordBatch(facts, await compress(bench, facts.compression));
  } finally {
    pool.releaseBench(bench);
  }
}
