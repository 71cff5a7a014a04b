/** The parts of a field's comment in a .proto file. Texts keep the line breaks of the comment. */
export interface FieldComment {
  /** What the field means, one text for each paragraph. */
  readonly description: readonly string[];
  readonly required: boolean;
  readonly outputOnly: boolean;
  readonly default?: string;
  readonly bounds?: string;
  readonly values?: string;
  /** YAML of a message that has only this field. */
  readonly example?: string;
}

const TAG = /^(Required|Output only)\.$|^(Default|Bounds|Values|Example): (.*)$/s;

/**
 * Parses a comment. Its last paragraph can be a list of tags:
 *
 *     Required.   Output only.   Default: …   Bounds: …   Values: …   Example: `yaml`
 *
 * Each tag begins a line and may continue on the next ones.
 */
export function parseFieldComment(comment: string): FieldComment {
  const paragraphs = comment
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replace(/^ /gm, '').trim())
    .filter((paragraph) => paragraph !== '');
  const tags = tagsOf(paragraphs.at(-1) ?? '');
  const optional = (key: string, text = tags?.get(key)) => (text === undefined ? {} : { [key.toLowerCase()]: text });
  return {
    description: tags ? paragraphs.slice(0, -1) : paragraphs,
    required: tags?.has('Required') ?? false,
    outputOnly: tags?.has('Output only') ?? false,
    ...optional('Default'),
    ...optional('Bounds'),
    ...optional('Values'),
    ...optional('Example', tags?.get('Example')?.replace(/^`|`$/g, '')),
  };
}

/** The tags of a paragraph by their names; undefined if it is ordinary text. */
function tagsOf(paragraph: string): Map<string, string> | undefined {
  const tags: string[] = [];
  for (const line of paragraph.split('\n')) {
    if (TAG.test(line)) tags.push(line);
    else if (tags.length > 0) tags.push(`${tags.pop()}\n${line}`);
    else return undefined;
  }
  const parsed = tags.map((tag) => TAG.exec(tag) as RegExpExecArray);
  return new Map(parsed.map(([, flag, key, value = '']) => [(flag ?? key) as string, value.replace(/\.$/, '')]));
}
