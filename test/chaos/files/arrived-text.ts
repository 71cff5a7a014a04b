import type { Evidence } from './evidence.ts';
import type { Period } from './life.ts';

/** The facts, the writer's lives, and a line for each record: enough to explain a violation by. */
export function arrivedText({ facts, lives, records, uptimes, toUnixMs }: Evidence): string {
  const at = (ms: number) => (Number.isFinite(ms) ? new Date(ms + toUnixMs).toISOString().slice(11, 23) : 'the end');
  const spans = (periods: readonly Period[]) =>
    periods.map(({ fromMs, toMs }) => `${at(fromMs)}-${at(toMs)}`).join(' ');
  return [
    ...uptimes.map((up) => `up ${spans([up])}`),
    ...lives.map(
      (life) =>
        `life ${life.id}: ${life.size} bytes, since ${at(life.bornAtMs)}, ${life.end ? `${life.end.how} ${at(life.end.atMs)}` : 'exists'}; ` +
        `previous ${life.previous?.id}, copy of ${life.copyOf?.life.id} (${life.copyOf?.size}); ` +
        `matched ${spans(life.matched)}; near ${spans(life.near)}; paths ${[...life.paths].join(' ')}`,
    ),
    ...facts.map((fact) => JSON.stringify(fact)),
    ...records.map(
      ({ partition, offset, timestampMs, headers, value }) =>
        `${partition}:${offset} ${new Date(timestampMs).toISOString().slice(11, 23)} ${headers['logfleet.generation']} ` +
        `${headers['logfleet.range']} ${headers['log.file.path']} ${headers['logfleet.flags'] ?? ''} ${value.toString('latin1', 0, 20)}`,
    ),
    '',
  ].join('\n');
}
