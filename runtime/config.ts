import { readFileSync } from 'node:fs';
import { Document, parse as parseYaml } from 'yaml';
import type { z } from 'zod';
import { renderHelp } from './config-help.ts';
import { type Leaf, leavesOf, parseText } from './config-leaves.ts';
import { type ConfigSpec, variableOf } from './config-spec.ts';
import { CodedError, errorText } from './errors.ts';
import { version } from './version.ts';

/**
 * All problems of a configuration, one per line: the setting, its origin, what is wrong and the
 * remedy.
 */
export class ConfigError extends CodedError<'INVALID'> {
  constructor(problems: readonly string[]) {
    super('INVALID', problems.join('\n'));
  }
}

/** The width of `--help` where the output is not a terminal, and its maximum. */
const HELP_COLUMNS = 80;
const HELP_COLUMNS_MAX = 100;

export type ConfigOutcome<Schema extends z.ZodType> =
  | { kind: 'run'; config: z.output<Schema> }
  | { kind: 'print'; text: string };

interface Given {
  value: unknown;
  origin: string;
}

/**
 * Reads the settings of a schema from three sources. Flags take precedence over environment
 * variables, and variables over the file that `--config` names. Returns text to print for `--help`,
 * `--version` and `--print-config`. Throws ConfigError with all problems, such as unknown settings.
 */
export function loadConfig<Schema extends z.ZodType>(
  spec: ConfigSpec<Schema>,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
): ConfigOutcome<Schema> {
  if (argv.includes('--help') || argv.includes('-h')) return { kind: 'print', text: renderHelp(spec, helpWidth()) };
  if (argv.includes('--version')) return { kind: 'print', text: `${spec.program} ${version}\n` };
  const leaves = leavesOf(spec.schema);
  const problems: string[] = [];
  const flags = readFlags(argv, spec, leaves, problems);
  const given = new Map<string, Given>([...readEnv(env, spec.program, leaves, problems), ...flags.given]);
  const tree = flags.file === undefined ? {} : readFile(flags.file, problems);
  for (const leaf of leaves) {
    const from = given.get(leaf.key);
    if (from) setAt(tree, leaf.path, from.value);
  }
  const parsed = spec.schema.safeParse(tree);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) problems.push(...issueTexts(issue, given, flags.file, leaves));
  }
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems);
  if (flags.print) return { kind: 'print', text: renderEffective(tree, leaves, given, flags.file) };
  return { kind: 'run', config: parsed.data };
}

/**
 * The variables that Kubernetes sets in every container for a Service with our name, such as
 * LOGFLEET_AGENT_SERVICE_HOST and LOGFLEET_AGENT_PORT_7070_TCP_ADDR. They are not settings
 * (https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables).
 */
const SERVICE_LINK = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;

/** The width of the terminal. Long lines are hard to read, so there is a maximum. */
function helpWidth(): number {
  return Math.min(process.stdout.columns ?? HELP_COLUMNS, HELP_COLUMNS_MAX);
}

function readFlags(argv: readonly string[], spec: ConfigSpec<z.ZodType>, leaves: readonly Leaf[], problems: string[]) {
  const given = new Map<string, Given>();
  let file: string | undefined;
  let print = false;
  for (let at = 0; at < argv.length; at++) {
    const [flag = '', inline] = splitFlag(argv[at] as string);
    const name = flag.replace(/^--/, '');
    const key = spec.aliases[name] ?? name.replaceAll('-', '_');
    const leaf = leaves.find((candidate) => candidate.key === key);
    if (flag === '--print-config') print = true;
    else if (!flag.startsWith('--'))
      problems.push(`${flag}: unexpected argument: settings begin with "--"; see --help`);
    else if (!leaf && name !== 'config') {
      problems.push(`${flag}: unknown flag; see --help`);
      // The next argument is its value.
      if (inline === undefined && argv[at + 1]?.startsWith('--') === false) at++;
    } else if (leaf?.kind === 'flag' && inline === undefined) given.set(key, { value: true, origin: flag });
    else {
      const text = inline ?? argv[++at];
      if (text === undefined) problems.push(`${flag}: the value is missing`);
      else if (!leaf) file = text;
      else given.set(key, { value: merged(leaf, given.get(key), parseText(leaf.kind, text)), origin: flag });
    }
  }
  return { given, file, print };
}

function splitFlag(argument: string): [string, string?] {
  const equals = argument.indexOf('=');
  return equals === -1 ? [argument] : [argument.slice(0, equals), argument.slice(equals + 1)];
}

/** Joins the values of a repeated flag, such as `--label env=prod --label role=web`. */
function merged(leaf: Leaf, previous: Given | undefined, value: unknown): unknown {
  if (!previous) return value;
  if (leaf.kind === 'list') return [...(previous.value as unknown[]), ...(value as unknown[])];
  const areMaps = [previous.value, value].every((item) => typeof item === 'object');
  return areMaps ? { ...(previous.value as object), ...(value as object) } : value;
}

function readEnv(
  env: NodeJS.ProcessEnv,
  program: string,
  leaves: readonly Leaf[],
  problems: string[],
): Map<string, Given> {
  const given = new Map<string, Given>();
  const known = new Map(leaves.map((leaf) => [variableOf(program, leaf.key), leaf]));
  const prefix = `${variableOf(program, '')}`;
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith(prefix) || text === undefined || SERVICE_LINK.test(variable)) continue;
    const leaf = known.get(variable);
    if (leaf) given.set(leaf.key, { value: parseText(leaf.kind, text), origin: variable });
    else problems.push(`${variable}: unknown setting; see --help`);
  }
  return given;
}

function readFile(file: string, problems: string[]): Record<string, unknown> {
  try {
    const tree: unknown = parseYaml(readFileSync(file, 'utf8')) ?? {};
    if (typeof tree === 'object' && !Array.isArray(tree)) return tree as Record<string, unknown>;
    problems.push(`${file}: expected a map of settings, such as "state_dir: /var/lib/logfleet-agent"`);
  } catch (error) {
    problems.push(`${file}: ${errorText(error)}`);
  }
  return {};
}

function setAt(tree: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = tree;
  for (const key of path.slice(0, -1)) {
    const child = at[key];
    if (typeof child !== 'object' || child === null) at[key] = {};
    at = at[key] as Record<string, unknown>;
  }
  at[path.at(-1) as string] = value;
}

function getAt(tree: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], tree);
}

function issueTexts(
  issue: z.core.$ZodIssue,
  given: Map<string, Given>,
  file: string | undefined,
  leaves: readonly Leaf[],
): string[] {
  const path = issue.path.map(String);
  const where = (key: string) => {
    const leaf = leaves.find((candidate) => key === candidate.key || key.startsWith(`${candidate.key}.`));
    const origin = (leaf && given.get(leaf.key)?.origin) ?? file;
    return origin ? `${key} (${origin})` : key;
  };
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${where([...path, key].join('.'))}: unknown setting; see --help`);
  }
  const leaf = leaves.find(({ key }) => key === path.join('.'));
  if (leaf && issue.code === 'invalid_type' && issue.message.endsWith('received undefined'))
    return [`${leaf.key}: is required: ${leaf.description}`];
  return [`${where(path.join('.')) || 'configuration'}: ${issue.message}`];
}

/**
 * The settings in force as YAML that `--config` accepts. Secrets are hidden. `tree` has the given
 * values.
 */
function renderEffective(
  tree: unknown,
  leaves: readonly Leaf[],
  given: Map<string, Given>,
  file: string | undefined,
): string {
  const document = new Document({});
  for (const leaf of leaves) {
    const set = getAt(tree, leaf.path);
    const value = set ?? leaf.default;
    if (value === undefined) continue;
    const node = document.createNode(leaf.secret ? '********' : value, { flow: true });
    const origin = given.get(leaf.key)?.origin ?? (set === undefined ? undefined : file);
    if (origin) node.comment = ` ${origin}`;
    document.setIn(leaf.path, node);
  }
  return document.toString();
}
