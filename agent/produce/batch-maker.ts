/** Makes batches for a producer. */
export interface BatchMaker {
  /** Whether it has something to send, or a batch is open. */
  readonly hasWork: boolean;
  /** The producer takes batches again. */
  resume(): void;
}
