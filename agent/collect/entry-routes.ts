import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { Compression } from '../../proto/rules/line-words.ts';
import type { DeliveryRouter } from '../produce/delivery-router.ts';
import { formatFacts } from './read/format-facts.ts';
import { LineFormats } from './sources/line-formats.ts';
import type { RouteAssigner } from './sources/open-sources.ts';
import type { Source } from './sources/source.ts';
import type { TopicPartitions } from './topic-partitions.ts';

export interface EntryRoutesDependencies {
  router: DeliveryRouter;
  partitions: TopicPartitions;
  /** The host's name. Together with a file's path it determines the file's partition. */
  host: string;
}

/** The entry whose sources are assigned. */
export interface RoutedEntry {
  /** The version in effect. */
  readonly entry: Entry;
  /** Whether its files are read: it is valid and not paused. */
  readonly reads: boolean;
  readonly isStopped: boolean;
}

/** Pauses or resumes the sources of one entry, and gives each the route of its partition. */
export class EntryRoutes implements RouteAssigner {
  readonly #routed: RoutedEntry;
  readonly #dependencies: EntryRoutesDependencies;
  #formats: LineFormats;

  constructor(routed: RoutedEntry, dependencies: EntryRoutesDependencies) {
    this.#routed = routed;
    this.#dependencies = dependencies;
    this.#formats = new LineFormats(formatFacts(routed.entry, dependencies.host));
  }

  /** Another version of the entry is in effect: lines have its format from the next `assign` on. */
  entryChanged(): void {
    this.#formats = new LineFormats(formatFacts(this.#routed.entry, this.#dependencies.host));
  }

  /** As long as the topic's partition count is unknown, the source has no route. */
  assign(source: Source): void {
    const { entry, reads, isStopped } = this.#routed;
    if (isStopped) return;
    if (reads) source.resume();
    else source.apply('paused');
    const { router, partitions, host } = this.#dependencies;
    const { topic } = entry;
    const count = partitions.countFor(topic);
    if (count === undefined) {
      source.unassign();
      return;
    }
    const choice = { previous: source.file.partitionIn(topic), key: `${host}:${source.path}` };
    const route = router.route(topic, count, choice, entry.compression as Compression);
    source.assign(route, this.#formats.forSource);
  }
}
