import { hostname } from 'node:os';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { FileCollector } from '../collect/file-collector.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import type { CheckpointStore } from '../state/checkpoint-store.ts';
import { diagnosticsAnswerer } from './diagnostics.ts';
import { logLevelAnswerer } from './log-level.ts';
import { previewAnswerer } from './preview.ts';
import type { Answerers } from './questions.ts';
import { restartAnswerer } from './restart.ts';
import { rewindAnswerer } from './rewind.ts';
import { tapAnswerer } from './tap.ts';

/** Every question that this agent answers. */
export function answerersOf(
  config: AgentConfig,
  tools: { clock: Clock; logger: Logger; collector: FileCollector; store: CheckpointStore },
): Required<Answerers> {
  const { clock, collector } = tools;
  const host = hostname();
  const find = (name: string) => collector.find(name);
  return {
    tap: tapAnswerer(find, clock),
    preview: previewAnswerer({ clock, collector, host }),
    restart: restartAnswerer(find, clock),
    logLevel: logLevelAnswerer(config.log.level, tools),
    diagnostics: diagnosticsAnswerer(config, tools),
    rewind: rewindAnswerer({ ...tools, find, host }),
  };
}
