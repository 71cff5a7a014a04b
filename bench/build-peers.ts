import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cached, cacheFolder } from '../stack/cache.ts';
import { buildStep, requireTool } from '../stack/tools.ts';
import { OTELCOL } from './tools/otelcol.ts';

const BUILDER = 'go.opentelemetry.io/collector/cmd/builder@v0.160.0';
const manifest = join(import.meta.dirname, 'peers', 'otelcol.yaml');

/** Builds the OpenTelemetry Collector into the cache, where it is not there yet: Go fetches its sources, and some minutes go by. */
export async function buildPeers(say: (line: string) => void): Promise<void> {
  await mkdir(join(cacheFolder(), dirname(OTELCOL)), { recursive: true });
  const folder = await cached(OTELCOL, async (building) => {
    await requireTool('go', 'the OpenTelemetry Collector');
    say('building the OpenTelemetry Collector (once, some minutes) …');
    await buildStep('go', ['run', BUILDER, '--config', manifest], building);
    await rename(join(building, 'src', 'otelcol'), join(building, 'otelcol'));
    await rm(join(building, 'src'), { recursive: true });
  });
  say(`otelcol is in ${folder}`);
}
