/** A parsed label selector in the syntax of Kubernetes. */
export interface Selector {
  /**
   * Matching labels have, for each of these keys, one of its values. An index can use one of them
   * and leave the rest to `matches`.
   */
  readonly requiredLabels: readonly RequiredLabel[];
  /**
   * All keys that the selector contains. Labels with equal values for them give the same result.
   */
  readonly keys: readonly string[];
  matches(labels: Readonly<Record<string, string>>): boolean;
}

/** A label that must have one of the values. */
export interface RequiredLabel {
  readonly key: string;
  readonly values: readonly string[];
}

/** A syntax error in a selector. The message contains the selector, the position and the remedy. */
export class SelectorError extends Error {
  override readonly name = 'SelectorError';
}

type Requirement = (labels: Readonly<Record<string, string>>) => boolean;

const NAME = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)$/;
const PREFIX = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const TOKEN = /\s*(==|!=|=|!|,|\(|\)|[^\s=!,()]+)/y;

/**
 * Whether `key` is a valid key: a name of up to 63 characters after an optional DNS prefix and `/`.
 */
export function isLabelKey(key: string): boolean {
  const slash = key.indexOf('/');
  if (slash === -1) return NAME.test(key);
  return slash <= 253 && PREFIX.test(key.slice(0, slash)) && NAME.test(key.slice(slash + 1));
}

/** Whether `value` is a valid value: empty, or a name of up to 63 characters. */
export function isLabelValue(value: string): boolean {
  return value === '' || NAME.test(value);
}

/**
 * Parses a selector such as `env in (prod,stage),role=web,!canary`. Requirements are separated by
 * commas, and all of them must hold: `k=v`, `k==v`, `k!=v`, `k in (a,b)`, `k notin (a,b)`, `k`,
 * `!k`. As in Kubernetes, `!=` and `notin` hold if the key is absent. An empty selector matches
 * everything. Throws SelectorError.
 */
export function parseSelector(text: string): Selector {
  const parser = new Parser(text);
  const requirements: Requirement[] = [];
  if (parser.peek() !== undefined) {
    do requirements.push(parser.requirement());
    while (parser.accept(','));
    parser.end();
  }
  const { requiredLabels, keys } = parser;
  return { requiredLabels, keys, matches: (labels) => requirements.every((requirement) => requirement(labels)) };
}

class Parser {
  readonly #text: string;
  readonly #tokens: { text: string; at: number }[] = [];
  readonly requiredLabels: RequiredLabel[] = [];
  readonly keys: string[] = [];
  #next = 0;

  constructor(text: string) {
    this.#text = text;
    TOKEN.lastIndex = 0;
    for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) {
      const token = match[1] as string;
      this.#tokens.push({ text: token, at: match.index + match[0].length - token.length });
    }
  }

  peek(): string | undefined {
    return this.#tokens[this.#next]?.text;
  }

  accept(token: string): boolean {
    if (this.peek() !== token) return false;
    this.#next++;
    return true;
  }

  end(): void {
    if (this.peek() !== undefined) this.#fail('put a comma between requirements');
  }

  requirement(): Requirement {
    if (this.accept('!')) {
      const absent = this.#key();
      return (labels) => labels[absent] === undefined;
    }
    const key = this.#key();
    if (this.accept('=') || this.accept('==')) return this.#required(key, [this.#value()]);
    if (this.accept('!=')) return not(isIn(key, [this.#value()]));
    if (this.accept('in')) return this.#required(key, this.#values());
    if (this.accept('notin')) return not(isIn(key, this.#values()));
    return (labels) => labels[key] !== undefined;
  }

  #required(key: string, values: readonly string[]): Requirement {
    this.requiredLabels.push({ key, values });
    return isIn(key, values);
  }

  #key(): string {
    const key = this.peek();
    if (key === undefined || !isLabelKey(key)) {
      this.#fail(
        'expected a label key: up to 63 letters, digits, "-", "_" or ".", starting and ending with a letter or digit',
      );
    }
    this.#next++;
    this.keys.push(key as string);
    return key as string;
  }

  #value(): string {
    const value = this.peek();
    if (value === undefined || value === ',' || value === ')') return '';
    if (!isLabelValue(value)) this.#fail('expected a label value: up to 63 letters, digits, "-", "_" or "."');
    this.#next++;
    return value;
  }

  #values(): string[] {
    if (!this.accept('(')) this.#fail('expected a list such as (a,b)');
    const values: string[] = [];
    do values.push(this.#value());
    while (this.accept(','));
    if (!this.accept(')')) this.#fail('expected "," or ")"');
    return values;
  }

  #fail(remedy: string): never {
    const token = this.#tokens[this.#next];
    const where = token ? `at ${JSON.stringify(token.text)} (character ${token.at + 1})` : 'at its end';
    throw new SelectorError(`selector ${JSON.stringify(this.#text)} is invalid ${where}: ${remedy}`);
  }
}

function isIn(key: string, values: readonly string[]): Requirement {
  return (labels) => {
    const value = labels[key];
    return value !== undefined && values.includes(value);
  };
}

function not(requirement: Requirement): Requirement {
  return (labels) => !requirement(labels);
}
