import { hostname } from 'node:os';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { FileCollector } from '../collect/file-collector.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import type { CheckpointStore } from '../state/checkpoint-store.ts';
import { diagnosticsHandler } from './diagnostics.ts';
import { logLevelHandler } from './log-level.ts';
import { previewHandler } from './preview.ts';
import type { RequestHandlers } from './request-handler.ts';
import { restartHandler } from './restart.ts';
import { rewindHandler } from './rewind.ts';
import { tapHandler } from './tap.ts';

/** A handler for every request that controllers may send to this agent. */
export function createRequestHandlers(
  config: AgentConfig,
  tools: { clock: Clock; logger: Logger; collector: FileCollector; store: CheckpointStore },
): Required<RequestHandlers> {
  const { clock, collector } = tools;
  const host = hostname();
  const find = (name: string) => collector.findEntry(name);
  return {
    tap: tapHandler(find, clock),
    preview: previewHandler({ clock, collector, host }),
    restart: restartHandler(find, clock),
    logLevel: logLevelHandler(config.log.level, tools),
    diagnostics: diagnosticsHandler(config, tools),
    rewind: rewindHandler({ ...tools, find, host }),
  };
}
