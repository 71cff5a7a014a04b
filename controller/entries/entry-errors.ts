import { entryId } from '../../proto/rules/names.ts';
import { ApiError, invalidArgument } from '../errors/api-error.ts';

/** Throws INVALID_ARGUMENT unless `name` is the name of an entry. */
export function requireEntryName(name: string): void {
  if (entryId(name)) return;
  const description = `${JSON.stringify(name)} is not an entry's name: entries/ID`;
  throw invalidArgument([{ field: 'name', description }]);
}

export function entryNotFound(name: string): ApiError {
  return new ApiError('NOT_FOUND', `there is no ${name}`);
}
