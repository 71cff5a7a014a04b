/**
 * Tells a topic from one of the same name that was created later, or in another cluster
 * (KIP-516).
 */
export interface TopicIncarnation {
  clusterId: string;
  topicId: string;
}

export function isSameIncarnation(a: TopicIncarnation, b: TopicIncarnation): boolean {
  return a.clusterId === b.clusterId && a.topicId === b.topicId;
}
