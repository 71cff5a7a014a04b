import { compress } from '../encode/compress.ts';
import { encodeRecordBatch, type RecordBatch } from '../encode/record-batch.ts';
import type { Workbench, WorkPool } from '../encode/work-pool.ts';
import type { BatchFacts, IntentSegment } from '../model/segment.ts';

/**
 * Makes the records of a batch once more, `encode` by `encode`, which rejects when a segment's bytes are not what they were. Rejects when
 * they don't come to the same number of records: a broker recognises a repetition by that.
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
    if (bench.records.recordCount !== facts.recordCount) throw new Error('the lines are not the same any more');
    return encodeRecordBatch(facts, await compress(bench, facts.compression));
  } finally {
    pool.releaseBench(bench);
  }
}
