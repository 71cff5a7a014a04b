import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';

/** A source file of the repository, its path relative to the root. */
export interface SourceFile {
  path: string;
  text: string;
}

/** design.md's table: which folders a folder may import. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  proto: [],
  runtime: [],
  agent: ['proto', 'runtime'],
  controller: ['proto', 'runtime'],
  cli: ['proto', 'runtime'],
  stack: ['runtime'],
  bench: ['agent', 'bin', 'controller', 'cli', 'proto', 'runtime', 'stack', 'test'],
  test: ['agent', 'controller', 'cli', 'proto', 'runtime', 'stack', 'bench'],
};

/** Vendor packages and the files that may know them; test/ and bench/ may know all. */
const ADAPTERS: Readonly<Record<string, RegExp>> = {
  '@bufbuild/protobuf': /^proto\/gen\//,
  '@grpc/grpc-js': /^(proto\/gen\/|controller\/(rpc\/|etcd-members\.ts$))/,
  'nice-grpc': /^(controller\/rpc|agent\/link|cli\/rpc)\//,
  'nice-grpc-common': /^proto\/gen\//,
  'nice-grpc-error-details': /^(controller|cli)\/rpc\//,
  'nice-grpc-server-health': /^controller\/rpc\//,
  'nice-grpc-server-reflection': /^controller\/rpc\//,
  '@node-rs/crc32': /^agent\/deliver\/record-batch\.ts$/,
  '@platformatic/kafka': /^(controller\/kafka-topics|cli\/verify\/topic-reader)\.ts$/,
  cockatiel: /^controller\/etcd-members\.ts$/,
  commander: /^cli\/(main|program|commands\/[a-z-]+)\.ts$/,
  etcd3: /^(controller\/etcd-(client|errors|members|options|watch)|cli\/import\/etcd-values)\.ts$/,
  'node:sqlite': /^agent\/state\//,
  picomatch: /^proto\/rules\/glob\.ts$/,
  snappy: /^agent\/deliver\/compress\.ts$/,
  yaml: /^(proto\/rules\/entry-document|runtime\/config|cli\/output\/document)\.ts$/,
  zod: /^(runtime\/(config|config-help|config-leaves|run-process|security)|(agent|controller)\/config)\.ts$/,
};

const FILE_LINES_MAX = 251;
const FUNCTION_LINES_MAX = 60;

/** Everything that a file does against the rules; empty when it is tidy. */
export function violationsOf(file: SourceFile): string[] {
  const generated = /^(proto|agent\/deliver)\/gen\//.test(file.path);
  const imports = generated ? [] : importViolations(file);
  const style = generated ? [] : [...styleViolations(file), ...lengthViolations(file)];
  return [...imports, ...style].map((text) => `${file.path}: ${text}`);
}

function importViolations({ path, text }: SourceFile): string[] {
  const folder = path.split('/')[0] as string;
  return specifiersOf(text).flatMap((specifier) => {
    if (specifier.startsWith('.')) return relativeViolations(folder, path, specifier);
    return folder === 'test' || folder === 'bench' ? [] : vendorViolations(path, specifier);
  });
}

function relativeViolations(folder: string, path: string, specifier: string): string[] {
  const target = normalize(join(dirname(path), specifier)).split('/')[0] as string;
  const allowed = MAY_IMPORT[folder];
  if (!allowed) return [`the folder ${folder} is not in design.md's table`];
  if (!/\.(ts|mjs|json)$/.test(specifier)) return [`${specifier} lacks .ts`];
  return target === folder || allowed.includes(target) ? [] : [`${folder} may not import ${target} (${specifier})`];
}

function vendorViolations(path: string, specifier: string): string[] {
  const name = specifier.startsWith('@')
    ? specifier.split('/').slice(0, 2).join('/')
    : (specifier.split('/')[0] as string);
  const adapter = ADAPTERS[specifier] ?? ADAPTERS[name];
  if (adapter) return adapter.test(path) ? [] : [`only ${adapter.source} may import ${name}`];
  if (specifier.startsWith('node:')) return [];
  return [builtinModules.includes(specifier) ? `${specifier} lacks node:` : `${name} is not in the table of packages`];
}

function specifiersOf(text: string): string[] {
  const pattern = /^(?:import|export)\b[^;'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gms;
  return [...text.matchAll(pattern)].map((match) => (match[1] ?? match[2] ?? match[3]) as string);
}

function styleViolations({ path, text }: SourceFile): string[] {
  const found: string[] = [];
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/.test(path.split('/').at(-1) as string))
    found.push('the name is not kebab-case');
  if (/^export default/m.test(text)) found.push('a default export');
  if (/^export \* from/m.test(text)) found.push('a barrel');
  if (/\b(enum|namespace) [A-Z]/.test(text.replace(/['"`].*?['"`]|\/\*[\s\S]*?\*\/|\/\/.*/g, '')))
    found.push('an enum or a namespace');
  // The chaos harness does things at times; its tests don't.
  const sleeps = /^test\/(?!support|chaos\/(?!.*\.test\.ts)).*$/.test(path) && /\bsetTimeout\(|\.sleep\(/.test(text);
  if (sleeps) found.push('a bare sleep in a test: use eventually');
  return found;
}

function lengthViolations({ path, text }: SourceFile): string[] {
  const lines = text.split('\n');
  const found: string[] = [];
  if (lines.length > FILE_LINES_MAX && !path.startsWith('test/'))
    found.push(`${lines.length} lines: at most ${FILE_LINES_MAX}`);
  if (!path.startsWith('test/')) found.push(...longFunctions(lines));
  return found;
}

/** By the formatter's indentation: a function or method ends where its own indentation comes back. */
function longFunctions(lines: readonly string[]): string[] {
  const found: string[] = [];
  const head = /^( *)(?:export )?(?:private |static )?(?:async )?(?:function\*? \w+|\*?#?[a-z]\w*\()(?:.*)\{$/;
  for (const [index, line] of lines.entries()) {
    const match = head.exec(line);
    if (!match || /^\s*(if|for|while|switch|catch|return|test)\b/.test(line)) continue;
    const end = lines.findIndex((other, at) => at > index && other.startsWith(`${match[1]}}`));
    if (end - index + 1 > FUNCTION_LINES_MAX) found.push(`line ${index + 1}: a function of ${end - index + 1} lines`);
  }
  return found;
}
