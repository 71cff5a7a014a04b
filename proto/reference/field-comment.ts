/** The parts of a field's comment in a .proto file. */
export interface FieldComment {
  /** What the field means: paragraphs, each on one line. */
  readonly description: readonly string[];
  readonly required: boolean;
  readonly outputOnly: boolean;
  readonly default?: string;
  readonly bounds?: string;
  readonly values?: string;
  /** YAML of a message that has only this field. */
  readonly example?: string;
}

const LIST_ITEM = /^- /;
const TAG = /^(Required|Output only)\.$|^(Default|Bounds|Values|Example): (.*)$/;

/**
 * Parses a comment. Its last paragraph can be a list of tags:
 *
 *     Required.   Output only.   Default: …   Bounds: …   Values: …   Example: `yaml`
 *
 * Each tag begins a line and may continue on the next ones.
 */
export function parseFieldComment(comment: string): FieldComment {
  const paragraphs = paragraphsOf(comment);
  const last = paragraphs.at(-1) ?? [];
  const tags = last.every((line) => TAG.test(line)) ? last : [];
  const values = new Map(
    tags.map((line) => {
      const [, flag, key, value = ''] = TAG.exec(line) as RegExpExecArray;
      return [(flag ?? key) as string, value.replace(/\.$/, '')] as const;
    }),
  );
  const optional = (key: string, text = values.get(key)) => (text === undefined ? {} : { [key.toLowerCase()]: text });
  return {
    description: (tags.length === 0 ? paragraphs : paragraphs.slice(0, -1)).map((lines) => lines.join('\n')),
    required: values.has('Required'),
    outputOnly: values.has('Output only'),
    ...optional('Default'),
    ...optional('Bounds'),
    ...optional('Values'),
    ...optional('Example', values.get('Example')?.replace(/^`|`$/g, '')),
  };
}

/** Unwraps the lines of a comment: list items and tags begin a line of their own. */
function paragraphsOf(comment: string): string[][] {
  const paragraphs: string[][] = [];
  let isNew = true;
  for (const line of comment.split('\n').map((text) => text.trim())) {
    if (line === '') isNew = true;
    else if (isNew) {
      paragraphs.push([line]);
      isNew = false;
    } else {
      const paragraph = paragraphs.at(-1) as string[];
      if (LIST_ITEM.test(line) || TAG.test(line)) paragraph.push(line);
      else paragraph.push(`${paragraph.pop()} ${line}`);
    }
  }
  return paragraphs;
}
