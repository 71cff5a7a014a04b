import { fstatSync, openSync } from 'node:fs';
import { Source } from '../../agent/collect/sources/source.ts';
import type { SourceContext, SourceObserver } from '../../agent/collect/sources/source-context.ts';
import { type Checkpoint, newCheckpoint } from '../../agent/model/checkpoint.ts';
import type { InheritedRanges } from '../../agent/model/segment.ts';
import { systemClock } from '../../runtime/clock.ts';

const IGNORING: SourceObserver<Source> = {
  acknowledged() {},
  stateChanged() {},
  phaseChanged() {},
  fileNeeded() {},
  replaced() {},
  reopen: async () => false,
};

export interface OpenSourceOptions extends Partial<Omit<SourceContext<Source>, 'observer'>> {
  checkpoint?: Checkpoint;
  inherited?: InheritedRanges;
  /** How large the file is said to be. Undefined: as it is. */
  size?: number;
  observer?: Partial<SourceObserver<Source>>;
}

/** A source that reads the file at `path`, without a registry. The caller closes its descriptor. */
export function openSource(path: string, options: OpenSourceOptions = {}): Source {
  const { checkpoint, inherited, size, observer, clock = systemClock, ...context } = options;
  const fd = openSync(path, 'r');
  const { dev: device, ino: inode, size: present } = fstatSync(fd, { bigint: true });
  const source = new Source(
    checkpoint ?? newCheckpoint('e', 'g', { device, inode, path, birthMs: 0 }),
    inherited ?? { open: [], acknowledged: [], returned: [] },
    size ?? Number(present),
    { ...context, clock, observer: { ...IGNORING, ...observer } },
  );
  source.begin(fd, false);
  return source;
}
