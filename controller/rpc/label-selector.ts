import { parseSelector, type Selector } from '../../proto/rules/selector.ts';
import { invalidArgument } from '../api-error.ts';

/** The selector of a request; throws INVALID_ARGUMENT. */
export function labelSelector(text: string): Selector {
  try {
    return parseSelector(text);
  } catch (error) {
    throw invalidArgument([{ field: 'label_selector', description: (error as Error).message }]);
  }
}
