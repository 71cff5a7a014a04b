/** What happens to a FileWorld's files, to the agent and to its process. `file`: an index. */
export type FileOperation =
  | { kind: 'append'; file: number; lines: number }
  /** The file gets an unwritten end, or is cut to what is written. */
  | { kind: 'preallocate'; file: number; bytes: number }
  | { kind: 'rename'; file: number; to: number }
  | { kind: 'delete'; file: number }
  | { kind: 'copytruncate'; file: number; isMatched: boolean }
  | { kind: 'rewrite'; file: number; lines: number; sameHead: boolean }
  | { kind: 'scan' }
  | { kind: 'event'; file: number }
  | { kind: 'read'; file: number }
  | { kind: 'deliver'; file: number }
  | { kind: 'acknowledge'; count: number }
  | { kind: 'flush' }
  | { kind: 'wait'; seconds: number }
  | { kind: 'restart'; isFlushed: boolean; kept: number }
  /** It is moved out while the agent is down, and appended to. After the scans it is moved back. */
  | { kind: 'absence'; file: number; to: number; lines: number; scans: number; kept: number };
