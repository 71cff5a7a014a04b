import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cached, cacheFolder } from '../stack/cache.ts';
import { buildStep, requireTool } from '../stack/tools.ts';
import { ETCDCTL, GHZ, GRPCURL, type OutsideTool } from './tools/from-outside.ts';
import { OTELCOL } from './tools/otelcol.ts';

const BUILDER = 'go.opentelemetry.io/collector/cmd/builder@v0.160.0';
const manifest = join(import.meta.dirname, 'peers', 'otelcol.yaml');

/**
 * Builds the OpenTelemetry Collector and the tools that call logfleet's API into the cache, unless
 * they are there. Go fetches their sources; it takes some minutes.
 */
export async function buildPeers(say: (line: string) => void): Promise<void> {
  await mkdir(join(cacheFolder(), dirname(OTELCOL)), { recursive: true });
  const folder = await cached(OTELCOL, async (building) => {
    await requireTool('go', 'the OpenTelemetry Collector');
    say('building the OpenTelemetry Collector (once, takes minutes) …');
    await buildStep('go', ['run', BUILDER, '--config', manifest], building);
    await rename(join(building, 'src', 'otelcol'), join(building, 'otelcol'));
    await rm(join(building, 'src'), { recursive: true });
  });
  say(`otelcol is in ${folder}`);
  for (const tool of [GRPCURL, GHZ, ETCDCTL]) say(`${tool.name} is in ${await buildTool(tool, say)}`);
}

/** A module for each: in one module their dependencies' versions conflict. */
function buildTool({ name, folder, source, version }: OutsideTool, say: (line: string) => void): Promise<string> {
  return cached(folder, async (building) => {
    await requireTool('go', name);
    say(`building ${name} …`);
    const env = { GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod' };
    await buildStep('go', ['mod', 'init', 'logfleet-tools'], building, env);
    await buildStep('go', ['get', `${source}@${version}`], building, env);
    await buildStep('go', ['build', '-o', name, source], building, env);
  });
}
