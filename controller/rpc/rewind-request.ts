import { randomBytes } from 'node:crypto';
import type { RewindQuestion, RewindTarget } from '../../proto/gen/logfleet/v1/ask.ts';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { RewindEntryRequest } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { globProblem, joinSlashes } from '../../proto/rules/glob.ts';
import type { Author } from '../entries/author.ts';
import { invalidArgument } from '../errors/api-error.ts';

const ID = /^[a-zA-Z0-9_-]{1,64}$/;
const PATHS_MAX = 100;
const REASON_CHARACTERS_MAX = 1_024;

/** The request to the agents. Throws INVALID_ARGUMENT. */
export function rewindRequest(
  request: RewindEntryRequest,
  entry: Entry,
  { author: { name: author }, now }: { author: Author; now: Date },
): RewindQuestion {
  const { name, paths, target, dryRun, allowUnmarked, reason } = request;
  const violations = [...requestViolations(request), ...targetViolations(target, now)];
  if (entry.headers === 'none' && !allowUnmarked) {
    const description = `${name} has headers: none, so consumers cannot tell replayed records from others: set headers to standard, or allow it`;
    violations.push({ field: 'allow_unmarked', description });
  }
  if (violations.length > 0) throw invalidArgument(violations);
  const replayId = request.replayId || randomBytes(8).toString('hex');
  return { entry: name, replayId, target, paths: paths.map(joinSlashes), dryRun, allowUnmarked, author, reason };
}

function requestViolations({ replayId, paths, reason }: RewindEntryRequest): FieldViolation[] {
  const violations: FieldViolation[] = [];
  if (replayId !== '' && !ID.test(replayId))
    violations.push({ field: 'replay_id', description: 'give 1 to 64 of a-z, A-Z, 0-9, - and _' });
  if (paths.length > PATHS_MAX) violations.push({ field: 'paths', description: `at most ${PATHS_MAX}` });
  for (const [index, path] of paths.entries()) {
    const problem = globProblem(path) ?? (path.startsWith('/') ? undefined : 'is not absolute: begin it with "/"');
    if (problem) violations.push({ field: `paths[${index}]`, description: `${JSON.stringify(path)} ${problem}` });
  }
  if (reason.length > REASON_CHARACTERS_MAX)
    violations.push({ field: 'reason', description: `at most ${REASON_CHARACTERS_MAX} characters` });
  return violations;
}

function targetViolations(target: RewindTarget | undefined, now: Date): FieldViolation[] {
  const from = target?.from;
  if (!from || (from.$case === 'beginning' && !from.value))
    return [{ field: 'target', description: 'is required: give the position to replay from' }];
  if (from.$case === 'sinceMs' && from.value < 0n) return [{ field: 'target.since_ms', description: 'is negative' }];
  if (from.$case === 'time' && from.value > now) {
    const description = `${from.value.toISOString()} is in the future, now is ${now.toISOString()}: give an earlier time`;
    return [{ field: 'target.time', description }];
  }
  if (from.$case !== 'position') return [];
  if (from.value.generation === '') return [{ field: 'target.position.generation', description: 'is required' }];
  return from.value.position < 0n ? [{ field: 'target.position.position', description: 'is negative' }] : [];
}
