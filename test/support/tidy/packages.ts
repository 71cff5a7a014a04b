import { builtinModules } from 'node:module';
import { importsOf, isRelative } from './imports.ts';
import { isCode, isGenerated, type SourceFile, type Violation } from './source-file.ts';

/**
 * Each package of another vendor and the files that may import it: files, or folders that end in a
 * slash. So a package is replaced, and its faults are worked around, in one place. bench/, bin/,
 * examples/ and test/ may import all.
 */
export const ADAPTERS: Readonly<Record<string, readonly string[]>> = {
  '@bufbuild/protobuf': ['proto/gen/', 'proto/reference/reference.ts'],
  '@grpc/grpc-js': [
    'proto/gen/',
    'controller/rpc/',
    'controller/etcd/etcd-credentials.ts',
    'controller/etcd/etcd-members.ts',
  ],
  'nice-grpc': ['controller/rpc/', 'controller/fleet/peers.ts', 'agent/link/', 'cli/rpc/'],
  'nice-grpc-common': ['proto/gen/'],
  'nice-grpc-error-details': ['controller/rpc/', 'cli/rpc/'],
  'nice-grpc-server-health': ['cli/rpc/', 'controller/rpc/'],
  'nice-grpc-server-reflection': ['controller/rpc/'],
  '@node-rs/crc32': ['agent/encode/record-batch.ts', 'agent/collect/files/file-head.ts'],
  '@platformatic/kafka': ['controller/topics/kafka-topics.ts', 'cli/verify/topic-reader.ts'],
  chokidar: ['runtime/file-changes.ts'],
  cockatiel: ['controller/etcd/etcd-members.ts'],
  commander: ['cli/main.ts', 'cli/program.ts', 'cli/commands/'],
  etcd3: [
    'controller/etcd/etcd-client.ts',
    'controller/etcd/etcd-credentials.ts',
    'controller/etcd/etcd-errors.ts',
    'controller/etcd/etcd-members.ts',
    'controller/etcd/etcd-options.ts',
    'controller/etcd/etcd-watch.ts',
    'cli/import/etcd-values.ts',
  ],
  'node:sqlite': ['agent/state/'],
  picomatch: ['proto/rules/glob.ts'],
  snappy: ['agent/encode/compress.ts'],
  yaml: ['proto/rules/entry-document.ts', 'runtime/config.ts', 'cli/output/document.ts'],
  zod: [
    'runtime/config.ts',
    'runtime/config-help.ts',
    'runtime/config-leaves.ts',
    'runtime/config-spec.ts',
    'runtime/run-process.ts',
    'runtime/security.ts',
    'agent/config/agent-config.ts',
    'controller/config.ts',
  ],
};

const UNRESTRICTED = ['bench/', 'bin/', 'examples/', 'test/'];

export function packageViolations(file: SourceFile): Violation[] {
  if (!isCode(file.path) || isGenerated(file.path)) return [];
  return importsOf(file).flatMap(({ specifier, line }) => {
    const found = isRelative(specifier) ? endingProblem(specifier) : packageProblem(file.path, specifier);
    return found ? [{ path: file.path, line, ...found }] : [];
  });
}

type Finding = Pick<Violation, 'problem' | 'remedy'>;

function endingProblem(specifier: string): Finding | undefined {
  if (/\.(ts|mjs|json)$/.test(specifier)) return undefined;
  return { problem: `${specifier} lacks .ts`, remedy: 'write the whole file name: Node resolves no endings' };
}

function packageProblem(path: string, specifier: string): Finding | undefined {
  if (!specifier.startsWith('node:') && builtinModules.includes(specifier))
    return { problem: `${specifier} lacks node:`, remedy: `import 'node:${specifier}'` };
  if (UNRESTRICTED.some((folder) => path.startsWith(folder))) return undefined;
  const name = packageName(specifier);
  const adapters = ADAPTERS[specifier] ?? ADAPTERS[name];
  if (!adapters) {
    if (specifier.startsWith('node:')) return undefined;
    return {
      problem: `the package ${name} is in no table`,
      remedy: 'record why it is used in docs/decisions, and add it to ADAPTERS in test/support/tidy/packages.ts',
    };
  }
  if (adapters.some((prefix) => path.startsWith(prefix))) return undefined;
  return { problem: `${path} may not import ${name}`, remedy: `use it through ${adapters.join(', ')}` };
}

function packageName(specifier: string): string {
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}
