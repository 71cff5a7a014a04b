import { stringify } from 'yaml';

export function renderDocument(document: unknown, output: 'json' | 'yaml'): string {
  return output === 'json' ? `${JSON.stringify(document, undefined, 2)}\n` : stringify(document);
}
